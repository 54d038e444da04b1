// The words for states are the node's own: one table serves every door.
let table = {};

export async function load() {
  table = await (await fetch("/words.json")).json();
}

// w returns the words of a key, with {names} filled in.
export function w(key, values = {}) {
  const t = table[key];
  if (t === undefined) return key.split(".").pop();
  return t.replace(/\{(\w+)\}/g, (_, n) => values[n] ?? "?");
}

// joinWords says how far a request of one's own has come.
export const joinWords = (j) => w("join." + (j.kept && j.state === "requested" ? "kept" : j.state));
