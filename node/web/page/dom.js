// How elements are made: text is always text, never markup.

// h makes an element. Properties that begin with "on" are listeners, the others
// are attributes; false and null leave one out.
export function h(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (v === false || v === null || v === undefined) continue;
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? "" : v);
  }
  e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

const controls = "button,input,select,textarea,summary";

// fill gives an element these children, and leaves alone those that stay equal. A
// control that is made anew keeps the focus: the one that is called the same, or
// else stands in its place.
export function fill(parent, children) {
  const back = parent.contains(document.activeElement) ? place() : null;
  const at = back && [...parent.querySelectorAll(controls)].indexOf(document.activeElement);
  const old = [...parent.childNodes];
  const fresh = children.flat().filter((c) => c !== null && c !== undefined && c !== false);
  fresh.forEach((c, i) => {
    if (old[i]?.isEqualNode(c)) return;
    if (old[i]) old[i].replaceWith(c);
    else parent.append(c);
  });
  old.slice(fresh.length).forEach((c) => c.remove());
  if (back && !parent.contains(document.activeElement)) back() || parent.querySelectorAll(controls)[at]?.focus();
}

const naming = (e) => e.dataset.key || e.getAttribute("aria-label") || e.id || e.textContent;

// place remembers what has the focus, and returns what brings it back there, or to
// what stands there now; it says whether there was such a thing.
export function place(e = document.activeElement) {
  const name = naming(e);
  return () => {
    const there = e.isConnected ? e : [...document.querySelectorAll(e.localName)].find((x) => naming(x) === name && x.checkVisibility());
    there?.focus();
    return there !== undefined && document.activeElement === there;
  };
}

// arrows lets the keys up and down walk over what a selector finds in a list.
export function arrows(list, selector) {
  list.addEventListener("keydown", (e) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!step || e.altKey || !e.target.matches(selector)) return;
    const all = [...list.querySelectorAll(selector)];
    all[all.indexOf(e.target) + step]?.focus();
    e.preventDefault();
  });
}

const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]/gu;
const joiner = /[\u200c\u200d]/;

// safe takes out what cannot be seen, or reorders what can. Lines stay where keep
// says so.
export function safe(text, keep = false) {
  return text.replace(/\r\n?/g, "\n").replace(hidden, (c) => (joiner.test(c) ? c : c === "\n" ? (keep ? c : " ") : c === "\t" ? " " : ""));
}

// who is a name with its bearer's fingerprint.
export function who(name, id) {
  const f = "·" + safe(id).slice(-6);
  const n = safe(name || "").trim();
  return h("span", { class: "who" }, n && n !== f ? h("bdi", {}, n) : null, n && n !== f ? " " : null, h("span", { class: "print", title: id }, f));
}

// To make one of these takes longer than to draw a line.
const hours = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const dates = new Intl.DateTimeFormat([], { weekday: "long", day: "numeric", month: "long", year: "numeric" });

// clock is the time of day of a line; day its date.
export function clock(t) {
  return t ? hours.format(new Date(t)) : "";
}

export function day(t) {
  return t ? dates.format(new Date(t)) : "";
}

// title is what a group is called: a conversation by who the other is.
export const title = (g) => (g?.with ? `${g.name === g.with ? "" : safe(g.name) + " "}·${g.with.slice(-6)}` : safe(g?.name || "conversation"));

// fingerprints keeps each fingerprint in words of the node apart from the name
// before it, whichever way that is written.
export function fingerprints(text) {
  return safe(text).split(/(·[1-9A-HJ-NP-Za-km-z]{6}(?![0-9A-Za-z]))/).map((part, i) => (i % 2 ? h("bdi", { dir: "ltr" }, part) : part));
}

// download gives the person a text as a file.
export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

// short names a group by enough of its ID.
export const short = (join) => join.replace(/\/([0-9a-f]{12})[0-9a-f]{52}$/, "/$1");

// copier is a text with a button that copies it.
export function copier(text) {
  const b = h("button", { type: "button", class: "small" }, "Copy");
  b.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    b.textContent = "Copied";
  });
  return h("p", { class: "copier" }, h("code", {}, text), " ", b);
}

// button is one that shows what went wrong beside itself.
export function button(label, act, props = {}) {
  const b = h("button", { type: "button", ...props }, label);
  b.addEventListener("click", () => run(b, act));
  return b;
}

// run does something that may fail, with its button out of reach meanwhile.
export async function run(near, act) {
  const back = document.activeElement === near ? place(near) : null;
  near.disabled = true;
  near.parentElement?.querySelector(":scope > .problem")?.remove();
  try {
    return await act();
  } catch (e) {
    near.after(problem(e));
  } finally {
    near.disabled = false;
    if (back && near.isConnected && document.activeElement === document.body) back();
  }
}

export function problem(e) {
  return h("p", { class: "problem", role: "alert" }, safe(e.detail || e.message || String(e)), e.hint ? h("span", { class: "hint" }, " " + safe(e.hint)) : null);
}
