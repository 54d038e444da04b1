// The local API, as the page uses it. A session has two halves: a cookie that this
// script cannot read, and a word that is kept here.

const place = "conclave-page";

// Problem is a failure as the node tells it.
export class Problem extends Error {
  constructor(p) {
    super(p.detail || p.title || "failed");
    Object.assign(this, p);
  }
}

export const signedIn = () => localStorage.getItem(place) !== null;
export const forget = () => localStorage.removeItem(place);

// enter makes a session of the link's secret.
export async function enter(link) {
  const r = await fetch("/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ link }) });
  if (!r.ok) throw new Problem(await r.json());
  localStorage.setItem(place, (await r.json()).word);
}

async function ask(method, path, body, extra = {}) {
  const headers = { "Conclave-Page": localStorage.getItem(place) || "", ...extra };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let r;
  try {
    r = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem({ error: "no_node", detail: "the node does not answer", hint: "is it running? `conclave up`" });
  }
  if (r.ok) return r;
  let p = { status: r.status };
  try {
    p = { ...(await r.json()), status: r.status };
  } catch {}
  if (r.status === 401) document.dispatchEvent(new CustomEvent("signedout"));
  throw new Problem(p);
}

const query = (q) => (q ? "?" + new URLSearchParams(Object.entries(q).filter(([, v]) => v !== undefined && v !== "")) : "");

export const get = async (path, q) => (await ask("GET", path + query(q))).json();
export const put = async (path, body) => (await ask("PUT", path, body)).json();
export const patch = async (path, body) => (await ask("PATCH", path, body)).json();
export const post = async (path, body = {}, extra) => (await ask("POST", path, body, extra)).json();

// all walks a list page by page.
export async function all(path, q = {}) {
  const out = [];
  for (let after; ; ) {
    const p = await get(path, { ...q, after });
    out.push(...p.items);
    if (!p.next) return out;
    after = p.next;
  }
}

// follow reads server-sent events for ever, and goes on after a break where it
// ended. on is told each event, state whether the node answers.
export async function follow(on, state) {
  for (let last = 0, wait = 500; ; wait = Math.min(wait * 2, 15000)) {
    try {
      const r = await ask("GET", "/v1/events" + (last ? "?after=" + last : ""), undefined, { Accept: "text/event-stream" });
      state(true);
      wait = 500;
      for await (const e of events(r.body)) {
        if (e.id) last = e.id;
        on(e);
      }
    } catch (e) {
      if (e.status === 401) return;
    }
    state(false);
    await new Promise((ok) => setTimeout(ok, wait));
    if (last) on({ type: "again" });
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) yield parse(rest.slice(0, end));
  }
}

function parse(block) {
  const e = { type: "message", id: 0, data: "" };
  for (const line of block.split("\n")) {
    const [, field, value] = /^(\w*): ?(.*)$/.exec(line) || [];
    if (field === "event") e.type = value;
    else if (field === "id") e.id = Number(value);
    else if (field === "data") e.data += value;
  }
  e.data = e.data ? JSON.parse(e.data) : null;
  return e;
}
