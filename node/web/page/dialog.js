// What opens over the page: its frame, fields and questions.
import { post } from "./api.js";
import { button, h, place, run } from "./dom.js";

// dialog opens one with a title, and returns it. It is gone once closed, and the
// focus is back where it was; again opens it as it was left.
export function dialog(title, ...content) {
  const close = h("button", { type: "button", class: "small close", "aria-label": "Close" }, "✕");
  const d = h("dialog", { "aria-label": title }, h("header", {}, h("h2", {}, title), close), ...content);
  close.addEventListener("click", () => d.close());
  d.addEventListener("click", (e) => e.target === d && d.close());
  d.addEventListener("close", () => {
    d.remove();
    if (document.activeElement === document.body) d.back();
  });
  d.again = () => {
    const under = document.activeElement.closest("dialog");
    const back = place();
    d.back = () => back() || under?.back() || document.querySelector("#text, .groups button")?.focus();
    document.body.append(d);
    d.showModal();
  };
  d.again();
  return d;
}

export function field(label, input, note) {
  return h("label", { class: "field" }, h("span", {}, label), input, note ? h("small", {}, note) : null);
}

export const check = (input, label) => h("label", { class: "check" }, input, " ", label);

// choice is a list to choose from, of [value, words].
export const choice = (options, chosen) => h("select", {}, options.map(([value, words]) => h("option", { value, selected: value === chosen }, words)));

// form asks in a dialog, and does something with the answers.
export function form(title, fields, label, act) {
  const d = dialog(title, answers(fields, label, () => act(d)));
  d.querySelector("input,select,textarea").focus();
}

// answers are fields with a button that does something with them.
export function answers(fields, label, act) {
  const go = h("button", { type: "submit" }, label);
  const f = h("form", {}, fields, h("p", { class: "choice" }, go));
  f.addEventListener("submit", (e) => {
    e.preventDefault();
    run(go, act);
  });
  return f;
}

export function sure(question, act) {
  const d = dialog("Are you sure?", h("p", {}, question), h("p", { class: "choice" }, button("Yes", async () => (await act(), d.close())), h("button", { type: "button", onclick: () => d.close() }, "No")));
}

// section is a part that opens.
export const section = (title, ...content) => h("details", {}, h("summary", {}, title), h("div", {}, ...content));

export const choose = (gid) => document.dispatchEvent(new CustomEvent("choose", { detail: gid }));

// inFives sets a safety number in groups, to be read aloud.
export const inFives = (n) => h("p", { class: "number" }, (n.replace(/\s/g, "").match(/.{1,5}/g) || []).map((x) => h("span", {}, x)));

const svg = (tag, attributes) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  return e;
};

// drawing is a QR code, drawn by squares.
export async function drawing(text) {
  const { rows } = await post("/qr", { text });
  const n = rows.length + 4;
  const out = svg("svg", { viewBox: `-2 -2 ${n} ${n}`, class: "qr", role: "img", "aria-label": "QR code" });
  out.append(svg("path", { d: rows.flatMap((r, y) => [...r].map((c, x) => (c === "1" ? `M${x} ${y}h1v1h-1z` : ""))).join("") }));
  return out;
}

// glass is the sign for searching.
export function glass() {
  const out = svg("svg", { viewBox: "0 0 16 16", class: "glass", "aria-hidden": "true" });
  out.append(svg("path", { d: "M6.5 2a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10 10l4.5 4.5" }));
  return out;
}
