// The conversation: a window onto a log of any length, and where one writes.
import { get, post } from "./api.js";
import { button, clock, copier, day, fill, h, problem, run, safe, short, who } from "./dom.js";
import { on, state, tell } from "./store.js";
import { w } from "./words.js";
import { showReaders } from "./panels.js";

const page = 100; // lines that are read at once
const most = 400; // lines that are kept in the page

class Talk extends HTMLElement {
  lines = [];
  gid = null;
  atEnd = true;
  begun = false; // the first line of the log is in the window
  turn = 0; // what is read for an earlier group is dropped

  connectedCallback() {
    this.title_ = h("header", { class: "bar" });
    this.list = h("ol");
    this.log = h("div", { class: "log", role: "log", tabindex: "0", "aria-label": "Messages" }, this.list);
    this.newest = h("button", { type: "button", class: "newest", hidden: true, onclick: () => this.reload() }, "To the newest");
    this.cards = h("div", { class: "cards" });
    this.compose = h("form", { class: "compose" });
    this.append(this.title_, this.log, this.newest, this.cards, this.compose);
    this.log.addEventListener("scroll", () => this.scrolled());
    new ResizeObserver(() => this.stuck && (this.log.scrollTop = this.log.scrollHeight)).observe(this.log);
    on((what, gid, line) => {
      if (what === "groups" && this.gid) this.draw(this.stuck);
      if (what === "groups" || what === "people" || what === "requests" || what === "progress") this.drawAround(what);
      if (what === "log") this.changed(gid, line);
      if (what === "again" && this.gid) this.soon();
      if (what === "epoch") this.draw();
    });
  }

  show(gid) {
    if (this.gid === gid && gid) return;
    this.gid = gid;
    this.turn++;
    this.lines = [];
    this.atEnd = true;
    this.begun = false;
    this.searching = "";
    this.list.replaceChildren();
    this.draft();
    this.drawAround();
    if (gid) this.reload();
  }

  group() {
    return state.groups.find((g) => g.group_id === this.gid);
  }

  async read(q) {
    const turn = this.turn;
    const p = await get("/v1/log", { group: this.gid, limit: page, ...q });
    return turn === this.turn ? p.items : null;
  }

  // reload shows the newest lines.
  async reload() {
    try {
      const lines = await this.read({ last: true });
      if (!lines) return;
      this.begun = lines.length < page;
      this.lines = lines;
      this.atEnd = true;
      this.draw(true);
      requestAnimationFrame(() => performance.mark("conversation"));
      state.unread.delete(this.gid);
      tell("unread");
    } catch (e) {
      this.list.replaceChildren(h("li", {}, problem(e)));
    }
  }

  soon() {
    this.timer ??= setTimeout(() => ((this.timer = null), this.refresh()), 80);
  }

  // refresh reads the window's end again: lines move, are delivered, become whole.
  async refresh() {
    if (!this.gid || !this.atEnd) return;
    const fresh = await this.read({ last: true }).catch(() => null);
    if (!fresh || !fresh.length) return;
    const from = this.lines.findIndex((l) => l.cursor === fresh[0].cursor);
    const all = from < 0 ? fresh : [...this.lines.slice(0, from), ...fresh];
    const near = this.near();
    if (!near && (from < 0 || all.length > most)) {
      this.atEnd = false; // who reads further up keeps what is there
      return;
    }
    this.lines = all.slice(-most);
    if (from < 0) this.begun = fresh.length < page;
    else if (all.length > most) this.begun = false;
    this.draw(near);
  }

  changed(gid, line) {
    if (gid === this.gid) {
      if (this.atEnd) this.soon();
      if (!this.near()) this.newest.hidden = false;
    } else if (line?.kind === "message" && line.sender !== state.self) {
      state.unread.set(gid, (state.unread.get(gid) || 0) + 1);
      tell("unread");
    }
  }

  near() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 60;
  }

  async scrolled() {
    this.stuck = this.near() && this.atEnd;
    this.newest.hidden = this.stuck;
    if (this.reading || !this.lines.length) return;
    const up = this.log.scrollTop < 200 && !this.begun;
    const down = !this.atEnd && this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 200;
    if (!up && !down) return;
    this.reading = true;
    try {
      await (up ? this.older() : this.later());
    } catch {
    } finally {
      this.reading = false;
    }
  }

  async older() {
    const before = await this.read({ before: this.lines[0].cursor });
    if (!before) return;
    if (before.length < page) this.begun = true;
    const all = [...before, ...this.lines];
    if (all.length > most) this.atEnd = false;
    this.lines = all.slice(0, most);
    this.draw();
  }

  async later() {
    const after = await this.read({ after: this.lines.at(-1).cursor });
    if (!after) return;
    if (after.length < page) this.atEnd = true;
    const all = [...this.lines, ...after];
    this.lines = all.slice(-most);
    if (all.length > most) this.begun = false;
    this.draw();
  }

  // firstSeen is the line at the upper edge, and how far below it that begins.
  firstSeen() {
    const edge = this.log.getBoundingClientRect().top;
    for (const e of this.list.children) {
      const { top, bottom } = e.getBoundingClientRect();
      if (e.dataset.c && bottom > edge) return { c: e.dataset.c, top: top - edge };
    }
    return null;
  }

  // draw shows the lines, and leaves what is being read where it is.
  draw(toEnd = false) {
    const seen = toEnd ? null : this.firstSeen();
    const old = new Map([...this.list.children].map((e) => [e.line, e]));
    const rows = [];
    let last = "";
    for (const l of this.lines) {
      const d = day(l.time);
      if (d && d !== last) rows.push(this.keyed(old, "day" + d, () => h("li", { class: "day" }, d)));
      if (d) last = d;
      const mark = state.epoch && l.eid === state.epoch ? "1" : "";
      rows.push(this.keyed(old, JSON.stringify(l) + mark, () => draw(l, mark)));
    }
    const g = this.group();
    if (this.atEnd && g?.members === 1 && g.join) rows.push(this.keyed(old, "alone" + g.join, () => alone(g)));
    let at = this.list.firstChild;
    for (const r of rows) {
      if (r === at) at = at.nextSibling;
      else this.list.insertBefore(r, at);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
    const row = seen && this.list.querySelector(`[data-c="${seen.c}"]`);
    if (toEnd) this.log.scrollTop = this.log.scrollHeight;
    else if (row) this.log.scrollTop += row.getBoundingClientRect().top - this.log.getBoundingClientRect().top - seen.top;
    this.stuck = this.near() && this.atEnd;
    this.newest.hidden = this.stuck;
  }

  keyed(old, key, make) {
    const e = old.get(key);
    if (e) return old.delete(key), e;
    const fresh = make();
    fresh.line = key;
    return fresh;
  }

  drawAround() {
    const g = this.group();
    this.compose.hidden = !g;
    if (!g) {
      fill(this.title_, [h("h2", {}, "conclave")]);
      this.cards.replaceChildren();
      this.list.replaceChildren(h("li", { class: "empty" }, h("p", {}, state.groups.length ? "Choose a group." : "No group yet: make one, or join one.")));
      return;
    }
    const p = state.progress.get(this.gid);
    const members = state.members.get(this.gid) || [];
    const missing = state.info.get(this.gid)?.cannot_read || [];
    fill(this.title_, [
      h("button", { type: "button", class: "back small", onclick: () => this.view("groups"), "aria-label": "All groups" }, "‹"),
      h("h2", {}, h("bdi", {}, safe(g.name || "conversation"))),
      g.e2ee ? h("span", { class: "state" }, w("sealed"), " · ", g.epoch === null ? w("nokey") : w("key", { n: g.epoch })) : h("span", { class: "state plainstate" }, w("plain")),
      g.marked !== "no" ? h("span", { class: "state due" }, w("marked." + g.marked)) : null,
      h("button", { type: "button", class: "small aside", onclick: () => this.view("people") }, g.members === 1 ? "1 person" : `${g.members} people`),
      p && p.done < p.total ? h("progress", { max: p.total, value: p.done, "aria-label": "catching up" }) : null,
    ]);
    fill(this.cards, [
      ...state.requests.filter((r) => r.group_id === this.gid && r.state === "pending").map((r) => this.card(r)),
      g.role === "none" ? h("p", { class: "card" }, "You are not a member any more.") : null,
    ]);
    this.said(g, members, missing);
  }

  view(v) {
    document.dispatchEvent(new CustomEvent("show", { detail: v }));
  }

  card(r) {
    const decide = (what) => () => post("/v1/" + what, { group: r.group_id, peer: r.peer_id });
    return h("section", { class: "card" },
      h("p", {}, who(r.name, r.peer_id), r.alike ? [" ", h("span", { class: "tag" }, "name like another's")] : null, " wants to join", r.note ? [": “", h("bdi", {}, safe(r.note)), "”"] : null),
      h("p", { class: "prints" }, r.fingerprint),
      h("p", { class: "choice" }, button("Approve", decide("approve")), button("Decline", decide("decline"))));
  }

  // draft makes the place to write anew.
  draft() {
    this.who_ = h("label", { for: "text", class: "readers" });
    this.text = h("textarea", { id: "text", rows: "1", autocomplete: "off", maxlength: "32768", enterkeyhint: "send" });
    this.plain = h("input", { type: "checkbox" });
    this.plainly = h("label", { class: "plainly", hidden: true }, this.plain, " send plain");
    this.send = h("button", { type: "submit" }, "Send");
    this.compose.replaceChildren(this.who_, h("div", { class: "line" }, this.text, this.send), this.plainly);
    this.text.addEventListener("input", () => this.fit());
    this.text.addEventListener("keydown", (e) => {
      if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
        e.preventDefault();
        this.compose.requestSubmit();
      }
    });
    this.compose.onsubmit = (e) => (e.preventDefault(), this.submit());
    this.plain.addEventListener("change", () => this.drawAround());
  }

  fit() {
    this.text.rows = Math.min(8, this.text.value.split("\n").length);
  }

  said(g, members, missing) {
    const off = !g.e2ee;
    if (!off) this.plain.checked = false; // nothing goes out plain because it once did
    this.plainly.hidden = !off;
    this.compose.classList.toggle("plain", off);
    if (off) this.who_.textContent = w("towhom.plain");
    else if (g.epoch === null) this.who_.textContent = w("towhom.nokey");
    else {
      const names = missing.map((id) => safe(members.find((m) => m.peer_id === id)?.name || "") || "·" + id.slice(-6));
      this.who_.textContent = w("towhom.sealed", { n: g.members }) + (names.length ? " · " + w("towhom.missing", { who: names.join(", ") }) : "");
    }
    this.send.textContent = off && this.plain.checked ? "Send PLAIN" : "Send";
    this.compose.hidden = g.role === "none";
  }

  submit() {
    const text = this.text.value;
    if (!text.trim()) return;
    // One key for one text: a repeat after a lost answer says nothing twice.
    const key = this.sending?.text === text ? this.sending.key : crypto.randomUUID();
    this.sending = { text, key };
    return run(this.send, async () => {
      const a = await post("/v1/send", { group: this.gid, texts: [text], ...(!this.group().e2ee && this.plain.checked ? { plain: true } : {}) }, { "Idempotency-Key": key });
      if (a.problem) throw a.problem;
      this.sending = null;
      this.text.value = "";
      this.fit();
      if (!this.atEnd) await this.reload();
      else await this.refresh(), (this.log.scrollTop = this.log.scrollHeight);
    }).then(() => this.text.focus());
  }
}

// alone says how others come in.
function alone(g) {
  return h("li", { class: "empty" }, h("div", {}, h("p", {}, "Nobody else is here. Another person types:"), copier("conclave join " + short(g.join)), h("p", {}, "or you make a link, under Invite.")));
}

// draw makes the row of a line.
function draw(l, marked) {
  const own = l.sender === state.self;
  const kind = l.kind === "message" ? (l.encrypted ? "message" : "message plainline") : l.kind;
  const held = l.state === "held";
  return h("li", { class: kind + (own ? " own" : "") + (held ? " held" : "") + (marked ? " marked" : ""), "data-c": l.cursor },
    l.kind === "message" && !l.encrypted ? h("strong", { class: "word" }, w("plain")) : null,
    l.kind === "message" && l.message_id
      ? h("button", { type: "button", class: "time", "aria-label": "Who could read this", onclick: () => showReaders(l) }, h("time", { datetime: l.time || "" }, clock(l.time) || "…"))
      : h("time", { datetime: l.time || "" }, clock(l.time)),
    l.kind === "message" ? [h("span", { class: "from" }, own ? "you" : who(l.sender_name, l.sender)), h("span", { class: "text" }, safe(l.text, true))] : h("span", { class: "reason" }, l.kind === "event" || !l.sender ? null : [who(l.sender_name, l.sender), " "], safe(l.reason || "")),
    own && l.kind === "message" ? tick(l) : null);
}

function tick(l) {
  if (l.state === "held") return h("span", { class: "tick wait" }, w("held"), " · ", safe(l.reason || ""));
  if (l.recipients === null || l.recipients === undefined) return null;
  const done = l.delivered >= l.recipients;
  const says = done ? w("delivered.all") : w("delivered.some", { n: l.delivered, of: l.recipients });
  return h("span", { class: "tick", title: says, role: "img", "aria-label": says }, done ? "✓✓" : l.delivered ? `✓ ${l.delivered}/${l.recipients}` : "✓");
}

customElements.define("c-talk", Talk);
