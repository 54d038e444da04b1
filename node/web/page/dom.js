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

const controls = "button,input,select,textarea";
const label = (e) => e.getAttribute("aria-label") || e.textContent;

// fill gives an element these children, and leaves alone those that stay equal. A
// control that is made anew keeps the focus: the one that is called the same, or
// else stands in its place.
export function fill(parent, children) {
  const held = parent.contains(document.activeElement) ? document.activeElement : null;
  const place = held && [...parent.querySelectorAll(controls)].indexOf(held);
  const old = [...parent.childNodes];
  const fresh = children.flat().filter((c) => c !== null && c !== undefined && c !== false);
  fresh.forEach((c, i) => {
    if (old[i] && old[i].isEqualNode && old[i].isEqualNode(c) && c.dataset && !c.dataset.live) return;
    if (old[i]) old[i].replaceWith(c);
    else parent.append(c);
  });
  old.slice(fresh.length).forEach((c) => c.remove());
  if (held && !held.isConnected) {
    const now = [...parent.querySelectorAll(controls)];
    (now.find((e) => label(e) === label(held)) || now[place])?.focus();
  }
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

// clock is the time of day of a line; day its date.
export function clock(t) {
  return t ? new Date(t).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : "";
}

export function day(t) {
  return t ? new Date(t).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long", year: "numeric" }) : "";
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
  near.disabled = true;
  near.parentElement?.querySelector(":scope > .problem")?.remove();
  try {
    return await act();
  } catch (e) {
    near.after(problem(e));
  } finally {
    near.disabled = false;
  }
}

export function problem(e) {
  return h("p", { class: "problem", role: "alert" }, safe(e.detail || e.message || String(e)), e.hint ? h("span", { class: "hint" }, " " + safe(e.hint)) : null);
}
