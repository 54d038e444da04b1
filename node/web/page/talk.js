// The conversation: a window onto a log of any length.
import { get, put } from "./api.js";
import { bar } from "./bar.js";
import { day, fill, h, place, problem, safe } from "./dom.js";
import { alone, draw } from "./line.js";
import { pagesBack, showSearch } from "./search.js";
import { notices } from "./notices.js";
import { on, state } from "./store.js";
import "./compose.js";

const page = 100; // lines that are read at once
const most = 400; // lines that are kept in the page

class Talk extends HTMLElement {
  lines = [];
  gid = null;
  atEnd = true;
  begun = false; // the first line of the log is in the window
  turn = 0; // what is read for an earlier group, or place, is dropped
  hit = null; // cursor of a line that was looked for

  connectedCallback() {
    this.title_ = h("header", { class: "bar" });
    this.list = h("ol");
    this.log = h("div", { class: "log", role: "log", "aria-live": "off", tabindex: "0", "aria-label": "Messages" }, this.list);
    this.said = h("p", { class: "unseen", "aria-live": "polite" });
    this.newest = h("button", { type: "button", class: "newest", hidden: true, onclick: () => this.reload() }, "To the newest");
    this.back = h("button", { type: "button", hidden: true }, "Back to what was found");
    this.cards = h("div", { class: "cards" });
    this.compose = h("c-compose");
    this.append(this.title_, this.log, h("div", { class: "jumps" }, this.back, this.newest), this.cards, this.compose, this.said);
    this.log.addEventListener("scroll", () => this.scrolled());
    this.log.addEventListener("keydown", (e) => this.key(e));
    this.compose.addEventListener("sent", () => (this.atEnd ? this.refresh(true) : this.reload()));
    new ResizeObserver(() => this.stuck && this.toEnd()).observe(this.log);
    document.addEventListener("visibilitychange", () => this.seen());
    on((what, gid) => {
      if (what === "groups" && this.gid) this.draw();
      if (["groups", "people", "requests", "progress"].includes(what)) this.drawAround();
      if (what === "log") this.changed(gid);
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
    this.hit = null;
    this.back.hidden = true;
    this.list.replaceChildren();
    this.compose.show(gid);
    this.drawAround();
    return gid ? this.reload() : null;
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
    this.turn++;
    try {
      const lines = await this.read({ last: true });
      if (!lines) return;
      this.begun = lines.length < page;
      this.lines = lines;
      this.atEnd = true;
      this.hit = null;
      this.back.hidden = true;
      this.draw(true);
      requestAnimationFrame(() => performance.mark("conversation"));
    } catch (e) {
      this.list.replaceChildren(h("li", {}, problem(e)));
    }
  }

  // goTo shows a line among its neighbours; back, where given, leads back.
  async goTo(cursor, back) {
    this.turn++;
    const before = await this.read({ before: cursor, limit: page / 2 });
    const after = before && (await this.read({ after: before.at(-1)?.cursor || "" }));
    if (!after) return;
    this.lines = [...before, ...after];
    this.begun = before.length < page / 2;
    this.atEnd = after.length < page;
    this.hit = cursor;
    this.back.hidden = !back;
    this.back.onclick = back;
    this.draw();
    const row = this.row(cursor);
    row?.scrollIntoView({ block: "center" });
    row?.focus({ preventScroll: true });
  }

  // goToKey shows the newest line under a key.
  async goToKey(eid) {
    const turn = this.turn;
    for await (const lines of pagesBack(this.gid)) {
      if (turn !== this.turn) return;
      const l = lines.find((x) => x.eid === eid);
      if (l) return this.goTo(l.cursor);
    }
  }

  soon() {
    this.timer ??= setTimeout(() => ((this.timer = null), this.refresh()), 80);
  }

  // refresh reads the window's end again: lines move, are delivered, become whole.
  // Whoever reads further up keeps what they read.
  async refresh(follow = false) {
    if (!this.gid || !this.atEnd) return;
    const fresh = await this.read({ last: true }).catch(() => null);
    if (!fresh || !fresh.length) return;
    const follows = follow || this.near();
    const from = this.lines.findIndex((l) => l.cursor === fresh[0].cursor);
    const all = from < 0 ? fresh : [...this.lines.slice(0, from), ...fresh];
    if (!follows && (from < 0 || all.length > most)) {
      this.cut(this.lines); // what came is further down than the window reaches
      this.newest.hidden = false;
      return;
    }
    if (from < 0) this.begun = fresh.length < page;
    else if (all.length > most) this.begun = false;
    const known = new Set(this.lines.map((l) => l.sender + l.message_id));
    this.lines = all.slice(-most);
    this.draw(follows);
    const heard = fresh.filter((l) => l.kind === "message" && l.sender !== state.self && !known.has(l.sender + l.message_id));
    if (known.size && heard.length) this.said.replaceChildren(...heard.slice(-3).map((l) => h("span", { dir: "auto" }, safe(l.sender_name || "·" + l.sender.slice(-6)), ": ", safe(l.text).slice(0, 300), ". ")));
  }

  changed(gid) {
    if (gid !== this.gid) return;
    if (this.atEnd) this.soon();
    if (!this.near()) this.newest.hidden = false;
  }

  // seen tells the node how far one has read: to the last line that is in view.
  seen() {
    this.looking ??= setTimeout(async () => {
      this.looking = null;
      if (!this.group()?.unread || document.hidden || !this.checkVisibility()) return;
      const edge = this.log.getBoundingClientRect().bottom;
      const row = [...this.list.children].findLast((e) => e.dataset.c && e.dataset.c !== "end" && e.getBoundingClientRect().top < edge);
      if (row) await put("/v1/read", { group: this.gid, cursor: row.dataset.c }).catch(() => {});
    }, 200);
  }

  near() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 60;
  }

  toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  async scrolled() {
    this.where();
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
    if (all.length > most) this.cut(all.slice(0, most));
    else this.lines = all;
    this.draw();
  }

  // cut keeps lines that are not the last: nothing that has its place at the end.
  cut(lines) {
    this.atEnd = false;
    this.lines = lines.filter((l) => l.cursor !== "end");
  }

  async later() {
    const after = await this.read({ after: this.lines.at(-1).cursor });
    if (!after) return;
    if (after.length < page) this.atEnd = true;
    const all = [...this.lines, ...after];
    if (all.length > most) this.begun = false;
    this.lines = all.slice(-most);
    this.draw();
  }

  row(cursor) {
    return [...this.list.children].find((e) => e.dataset.c === cursor);
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
  draw(toEnd = this.atEnd && this.near()) {
    const seen = toEnd ? null : this.firstSeen();
    const back = this.list.contains(document.activeElement) ? place() : null;
    const old = new Map([...this.list.children].map((e) => [e.line, e]));
    const rows = [];
    let last = "";
    for (const l of this.lines) {
      const d = day(l.time);
      if (d && d !== last) rows.push(this.keyed(old, "day" + d, () => h("li", { class: "day" }, d)));
      if (d) last = d;
      const mark = state.epoch && l.eid === state.epoch ? "m" : "";
      const hit = l.cursor === this.hit ? "h" : "";
      rows.push(this.keyed(old, JSON.stringify(l) + mark + hit, () => draw(l, mark, hit)));
    }
    const g = this.group();
    if (this.atEnd && g?.members === 1 && g.join && g.role !== "none") rows.push(this.keyed(old, "alone" + g.join, () => alone(g)));
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
    if (back && !this.list.contains(document.activeElement)) back() || this.log.focus({ preventScroll: true });
    const row = seen && this.row(seen.c);
    if (toEnd) this.toEnd();
    else if (row) this.log.scrollTop += row.getBoundingClientRect().top - this.log.getBoundingClientRect().top - seen.top;
    this.where();
  }

  // where notes whether one reads at the end.
  where() {
    this.stuck = this.near() && this.atEnd;
    this.newest.hidden = (this.stuck && !this.hit) || !this.lines.length;
    this.seen();
  }

  keyed(old, key, make) {
    const e = old.get(key);
    if (e) return old.delete(key), e;
    const fresh = make();
    fresh.line = key;
    return fresh;
  }

  // key walks over the lines.
  key(e) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!step || e.altKey) return;
    const rows = [...this.list.querySelectorAll("li[data-c]")];
    const at = rows.indexOf(document.activeElement.closest("li"));
    const next = rows[at < 0 ? rows.length - 1 : at + step];
    next?.focus({ preventScroll: true });
    next?.scrollIntoView({ block: "nearest" });
    e.preventDefault();
  }

  drawAround() {
    const g = this.group();
    this.compose.say();
    if (!g) {
      fill(this.title_, [h("h2", {}, "conclave")]);
      this.cards.replaceChildren();
      this.list.replaceChildren(h("li", { class: "empty" }, h("p", {}, state.groups.length ? "Choose a group." : "No group yet: make one, or join one.")));
      return;
    }
    fill(this.title_, bar(g, () => this.search()));
    fill(this.cards, notices(g));
  }

  search() {
    const g = this.group();
    if (g) showSearch(g, (l, again) => this.goTo(l.cursor, again).catch((e) => this.list.replaceChildren(h("li", {}, problem(e)))));
  }
}

customElements.define("c-talk", Talk);
