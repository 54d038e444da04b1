// Who is in the group, and its keys: which, when, why, by whom, who holds each.
import { arrows, button, clock, fill, h, safe, who } from "./dom.js";
import { on, people, state, tell } from "./store.js";
import { w } from "./words.js";
import { showGroup } from "./group.js";
import { askInvite } from "./invite.js";
import { showPerson } from "./person.js";

// nameIn is what somebody is called in a group, or the fingerprint.
const nameIn = (gid, id) => safe(state.members.get(gid)?.find((m) => m.peer_id === id)?.name || "") || "·" + id.slice(-6);

// keyLine tells of a key in a line.
export const keyLine = (gid, k) => [h("strong", {}, w("key", { n: k.epoch })), ` · ${w("reason." + k.reason)}, by `, h("bdi", {}, nameIn(gid, k.minted_by))];

class People extends HTMLElement {
  connectedCallback() {
    arrows(this, ".row");
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
    const direct = g.join === null;
    const may = !direct && (g.role === "owner" || members.find((m) => m.self)?.can?.includes("invite"));
    fill(this, [
      h("header", {}, h("button", { type: "button", class: "back small", onclick: () => document.dispatchEvent(new CustomEvent("show", { detail: "talk" })), "aria-label": "Back to the conversation" }, "‹"),
        h("h2", {}, "People"), may ? h("button", { type: "button", class: "small", onclick: () => askInvite(g.group_id) }, "Invite") : null,
        h("button", { type: "button", class: "small", onclick: () => showGroup(g.group_id) }, "Group")),
      h("ul", { class: "members" }, members.map((m) => this.member(g, m))),
      h("h2", {}, "Keys"),
      h("ol", { class: "timeline", "aria-label": "Key timeline, newest first" }, (state.keys.get(this.gid) || []).map((k) => this.key(k))),
    ]);
  }

  member(g, m) {
    const mark = w(["owner", "deputy"].includes(m.role) ? "sign." + m.role : m.online ? "sign.online" : "sign.away");
    const key = m.epoch === null ? w("nokey") : m.epoch < g.epoch ? w("key", { n: m.epoch }) : "";
    return h("li", { class: m.online ? "online" : "away" },
      h("button", { type: "button", class: "row", "data-key": m.peer_id, onclick: () => showPerson(g.group_id, m.peer_id) },
        h("span", { class: "mark", "aria-hidden": "true" }, mark), " ", who(m.name, m.peer_id), m.self ? " (you)" : "",
        m.verified ? h("span", { class: "ok", title: w("verified.true") }, " ", w("sign.verified")) : null,
        m.alike ? h("span", { class: "tag" }, w("alike")) : null,
        h("small", {}, w("role." + m.role), ", ", m.online ? w("online") : w("away"), key && g.e2ee ? ", " + key : "")));
  }

  key(k) {
    const all = k.holders.length + k.missing.length;
    const chosen = state.epoch === k.eid;
    const names = (ids) => ids.flatMap((id, i) => [i ? ", " : "", h("bdi", {}, nameIn(this.gid, id))]);
    return h("li", { class: (k.current ? "current" : "") + (chosen ? " chosen" : "") },
      h("button", { type: "button", class: "row", "data-key": k.eid, "aria-pressed": String(chosen), onclick: () => this.choose(k.eid) },
        h("strong", {}, w("key", { n: k.epoch })), k.current ? h("span", { class: "tag" }, w("key.current")) : null, k.time ? h("time", { datetime: k.time }, when(k.time)) : null, " ",
        h("span", { class: "why" }, w("reason." + k.reason), ", by ", h("bdi", {}, nameIn(this.gid, k.minted_by))),
        h("span", { class: "bar", "aria-hidden": "true" }, [...k.holders.map(() => h("i", { class: "has" })), ...k.missing.map(() => h("i", { class: "not" }))]),
        h("small", {}, w("holders", { n: k.holders.length, of: all }))),
      chosen ? h("div", { class: "holders" }, h("p", {}, "held by ", k.holders.length ? names(k.holders) : "nobody", k.missing.length ? ["; ", w("holders.missing", { who: "" }), names(k.missing)] : null),
        h("p", {}, button("Show its lines", () => document.querySelector("c-talk").goToKey(k.eid), { class: "small" }))) : null);
  }

  choose(eid) {
    state.epoch = state.epoch === eid ? null : eid;
    tell("epoch");
  }
}

// when is the time of day of what was today, and the day of what was before.
const when = (t) => (new Date(t).toDateString() === new Date().toDateString() ? clock(t) : new Date(t).toLocaleDateString([], { day: "numeric", month: "short" }));

customElements.define("c-people", People);
