// Who is in the group, and its keys: which, when, why, by whom, who holds each.
import { fill, h, safe, who } from "./dom.js";
import { on, people, state, tell } from "./store.js";
import { w } from "./words.js";
import { askInvite, showGroup, showVerify } from "./panels.js";

class People extends HTMLElement {
  connectedCallback() {
    on((what, gid) => {
      if ((what === "people" && gid === this.gid) || what === "groups" || what === "epoch") this.draw();
    });
  }

  async show(gid) {
    this.gid = gid;
    this.replaceChildren();
    if (gid) await people(gid).catch((e) => console.warn(e.message));
  }

  draw() {
    const g = state.groups.find((x) => x.group_id === this.gid);
    const members = state.members.get(this.gid);
    if (!g || !members) return this.replaceChildren();
    const names = new Map(members.map((m) => [m.peer_id, m]));
    const may = g.role === "owner" || members.find((m) => m.self)?.can?.includes("invite");
    fill(this, [
      h("header", {}, h("button", { type: "button", class: "back small", onclick: () => document.dispatchEvent(new CustomEvent("show", { detail: "talk" })), "aria-label": "Back to the conversation" }, "‹"),
        h("h2", {}, "People"), may ? h("button", { type: "button", class: "small", onclick: () => askInvite(g) }, "Invite") : null,
        h("button", { type: "button", class: "small", onclick: () => showGroup(g) }, "Group")),
      h("ul", { class: "members" }, members.map((m) => this.member(g, m))),
      h("h2", {}, "Keys"),
      h("ol", { class: "timeline", "aria-label": "Key timeline, newest first" }, (state.keys.get(this.gid) || []).map((k) => this.key(g, k, names))),
    ]);
  }

  member(g, m) {
    const mark = { owner: "★", deputy: "◆" }[m.role] || (m.online ? "●" : "○");
    const key = m.epoch === null ? w("nokey") : m.epoch < g.epoch ? w("key", { n: m.epoch }) : "";
    return h("li", { class: m.online ? "online" : "away" },
      h("button", { type: "button", class: "row", onclick: () => showVerify(g, m) },
        h("span", { class: "mark", "aria-hidden": "true" }, mark), " ", who(m.name, m.peer_id), m.self ? " (you)" : "",
        m.verified ? h("span", { class: "ok", title: "safety numbers compared" }, " ✓") : null,
        m.alike ? h("span", { class: "tag" }, "name like another's") : null,
        h("small", {}, w("role." + m.role), ", ", m.online ? w("online") : w("away"), key && g.e2ee ? ", " + key : "")));
  }

  key(g, k, names) {
    const all = k.holders.length + k.missing.length;
    const chosen = state.epoch === k.eid;
    const name = (id) => safe(names.get(id)?.name || "") || "·" + id.slice(-6);
    return h("li", { class: (k.current ? "current" : "") + (chosen ? " chosen" : "") },
      h("button", { type: "button", class: "row", "aria-pressed": String(chosen), onclick: () => this.choose(chosen ? null : k.eid) },
        h("strong", {}, w("key", { n: k.epoch })), k.current ? h("span", { class: "tag" }, "in use") : null, " ",
        h("span", { class: "why" }, w("reason." + k.reason), ", by ", name(k.minted_by)),
        h("span", { class: "bar", "aria-hidden": "true" }, [...k.holders.map(() => h("i", { class: "has" })), ...k.missing.map(() => h("i", { class: "not" }))]),
        h("small", {}, `${k.holders.length} of ${all} have it`)),
      chosen ? h("p", { class: "holders" }, "held by ", k.holders.map(name).join(", ") || "nobody", k.missing.length ? ["; not known to hold it: ", k.missing.map(name).join(", ")] : null) : null);
  }

  choose(eid) {
    state.epoch = eid;
    tell("epoch");
  }
}

customElements.define("c-people", People);
