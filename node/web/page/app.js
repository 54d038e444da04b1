// The frame: signing in, the list of groups, and which parts are in view.
import { enter, forget, signedIn } from "./api.js";
import { arrows, fill, h, place, problem, safe, title, who } from "./dom.js";
import { begin, on, others, state } from "./store.js";
import { joinWords, load, w } from "./words.js";
import { askCreate, askJoin, askName, askTalk, showHealth, showInvitation, showJoin, showNearby } from "./panels.js";
import "./people.js";
import "./talk.js";

class App extends HTMLElement {
  async connectedCallback() {
    document.addEventListener("signedout", () => (forget(), this.signedOut()));
    try {
      await this.signIn();
      if (!signedIn()) return this.signedOut();
      await Promise.all([load(), begin()]);
      this.build();
      addEventListener("hashchange", () => this.enter(this.chosen()));
      await this.select(this.chosen() || this.first());
      others().catch((e) => console.warn(e.message));
    } catch (e) {
      if (e.status === 401) return this.signedOut();
      this.replaceChildren(h("main", { class: "alone" }, h("h1", {}, "conclave"), problem(e)));
    }
  }

  // signIn uses the secret behind the #, and takes it out of the address.
  async signIn() {
    const secret = /^#([0-9a-f]{64})$/.exec(location.hash)?.[1];
    if (!secret) return;
    history.replaceState(null, "", "/");
    try {
      await enter(secret);
    } catch (e) {
      if (!signedIn()) throw e;
    }
  }

  signedOut() {
    this.replaceChildren(h("main", { class: "alone" }, h("h1", {}, "conclave"),
      h("p", {}, "This page is not signed in, or no more. Open it again with:"), h("p", {}, h("code", {}, "conclave web"))));
  }

  build() {
    this.list = h("nav", { class: "groups", "aria-label": "Groups" });
    this.talk = h("c-talk");
    this.people = h("c-people");
    this.offline = h("p", { class: "offline", role: "status", hidden: true }, "The node does not answer. It is tried again.");
    this.replaceChildren(this.offline, this.list, this.talk, this.people);
    on((what) => {
      if (["groups", "requests", "invitations", "joins", "health"].includes(what)) this.drawList();
      if (what === "online") this.offline.hidden = state.online;
      if (what === "groups" && !this.gid && this.first()) this.select(this.first());
    });
    document.addEventListener("keydown", (e) => this.key(e));
    arrows(this.list, ".row");
    document.addEventListener("show", (e) => this.view(e.detail));
    document.addEventListener("choose", (e) => this.go(e.detail));
  }

  // view shows a part, where not all have room, with the focus in it, and on the
  // way back where it was.
  view(part) {
    const back = part === "people" ? place() : null;
    this.setAttribute("view", part);
    if (this.contains(document.activeElement) && !document.activeElement.checkVisibility()) {
      const to = { people: this.people, talk: this.talk, groups: this.list }[part];
      if (!(part === "talk" && this.before?.())) [...to.querySelectorAll("[aria-current], textarea, button")].find((e) => e.checkVisibility())?.focus();
    }
    this.before = back;
  }

  chosen() {
    const gid = /^#g=([0-9a-f]{64})$/.exec(location.hash)?.[1];
    return state.groups.some((g) => g.group_id === gid) ? gid : null;
  }

  first() {
    return matchMedia("(min-width: 700px)").matches ? state.groups.find((g) => g.role !== "none")?.group_id : null;
  }

  go(gid) {
    if (gid && gid !== this.chosen()) history.pushState(null, "", "#g=" + gid);
    this.enter(gid);
  }

  // enter goes to where one writes: not by touch, where a keyboard would come up.
  enter(gid) {
    this.select(gid);
    if (!matchMedia("(pointer: coarse)").matches) this.talk.compose.text.focus();
  }

  select(gid) {
    this.gid = gid;
    state.epoch = null;
    this.view(gid ? "talk" : "groups");
    const shown = this.talk.show(gid);
    this.people.show(gid);
    this.drawList();
    return shown;
  }

  drawList() {
    const bad = (state.health || []).filter((f) => f.state === "act").length;
    fill(this.list, [
      h("header", {}, h("h1", {}, "conclave"),
        h("button", { type: "button", class: bad ? "health bad" : "health", onclick: showHealth, "aria-label": "Health of this node" }, bad ? `${bad} to mend` : state.health ? "all well" : "…")),
      h("button", { type: "button", class: "row me", onclick: askName }, h("span", {}, "you are ", who(state.name, state.self || ""))),
      ...state.groups.map((g) => this.row(g)),
      state.groups.length ? null : this.empty(),
      ...state.invitations.map((i) => h("button", { type: "button", class: "row call", "data-key": i.invite_id, onclick: () => showInvitation(i) }, h("span", { class: "name" }, "Invitation: ", h("bdi", {}, safe(i.name))))),
      ...state.joins.filter((j) => j.state !== "joined").map((j) => h("button", { type: "button", class: "row waiting", "data-key": j.peer_id + j.group_id, onclick: () => showJoin(j) }, joinWords(j), j.peer_id ? [" ", who("", j.peer_id)] : null)),
      h("footer", {},
        h("button", { type: "button", onclick: askCreate }, "New group"),
        h("button", { type: "button", onclick: () => askJoin() }, "Join"),
        h("button", { type: "button", onclick: askTalk }, "Talk"),
        h("button", { type: "button", onclick: showNearby }, "Nearby")),
    ]);
  }

  row(g) {
    const asked = state.requests.filter((r) => r.group_id === g.group_id && r.state === "pending").length;
    return h("button", { type: "button", class: "row" + (g.e2ee ? "" : " plain") + (g.role === "none" ? " left" : ""), "data-key": g.group_id, "aria-current": g.group_id === this.gid ? "page" : false, onclick: () => this.go(g.group_id) },
      h("span", { class: "name" }, h("bdi", {}, title(g))),
      g.e2ee ? null : h("span", { class: "tag" }, w("plain")),
      g.role === "none" ? h("span", { class: "tag" }, "left") : null,
      asked ? h("span", { class: "badge call", title: "want to join" }, `${asked} asking`) : null,
      g.unread ? h("span", { class: "badge", title: "unread" }, g.unread > 99 ? "99+" : String(g.unread)) : null);
  }

  empty() {
    return h("div", { class: "empty" }, h("p", {}, "No group yet."), h("p", {}, "Make one and send somebody the line that lets them in, or join by a link or a peer ID that you were given."));
  }

  key(e) {
    if (e.altKey && (e.key === "ArrowDown" || e.key === "ArrowUp")) {
      const at = state.groups.findIndex((g) => g.group_id === this.gid);
      const next = state.groups[at + (e.key === "ArrowDown" ? 1 : -1)];
      if (next) this.go(next.group_id);
      e.preventDefault();
    }
    if (e.key === "Escape" && !document.querySelector("dialog[open]") && !e.isComposing) this.out();
  }

  // out leads from the people to the conversation, and from there to the groups.
  out() {
    const shown = this.getAttribute("view");
    if (shown === "people") this.view("talk");
    else if (shown === "talk" && matchMedia("(max-width: 699px)").matches) this.view("groups");
  }
}

customElements.define("c-app", App);
