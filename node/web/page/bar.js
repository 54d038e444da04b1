// What stands over a conversation: its name, its state, and how far it is here.
import { glass } from "./dialog.js";
import { h, title } from "./dom.js";
import { state } from "./store.js";
import { w } from "./words.js";

const show = (part) => document.dispatchEvent(new CustomEvent("show", { detail: part }));

export function bar(g, search) {
  const p = state.progress.get(g.group_id);
  return [
    h("button", { type: "button", class: "back small", onclick: () => show("groups"), "aria-label": "All groups" }, "‹"),
    h("h2", {}, h("bdi", {}, title(g))),
    g.e2ee ? h("span", { class: "state" }, w("sealed"), " · ", g.epoch === null ? w("nokey") : w("key", { n: g.epoch })) : h("span", { class: "state plainstate" }, w("plain")),
    g.marked !== "no" ? h("span", { class: "state due" }, w("marked." + g.marked)) : null,
    h("button", { type: "button", class: "small find", onclick: search, "aria-label": "Search" }, glass()),
    h("button", { type: "button", class: "small aside", "data-key": "people", onclick: () => show("people") }, g.members === 1 ? "1 person" : `${g.members} people`),
    p && p.done < p.total ? h("label", { class: "catching" }, w("catchup", { n: p.done.toLocaleString(), of: p.total.toLocaleString() }), h("progress", { max: p.total, value: p.done })) : null,
  ];
}
