// Where one writes: it says who will be able to read it.
import { post } from "./api.js";
import { h, run, safe } from "./dom.js";
import { state } from "./store.js";
import { w } from "./words.js";

const drafts = new Map(); // what is written and not sent, by group

class Compose extends HTMLElement {
  connectedCallback() {
    this.who_ = h("label", { for: "text", class: "readers" });
    this.text = h("textarea", { id: "text", rows: "1", autocomplete: "off", maxlength: "32768", enterkeyhint: "send" });
    this.plain = h("input", { type: "checkbox" });
    this.plainly = h("label", { class: "plainly" }, this.plain, " send plain");
    this.send = h("button", { type: "submit" }, "Send");
    this.form = h("form", { class: "compose" }, h("div", { class: "readers" }, this.who_, this.plainly), h("div", { class: "line" }, this.text, this.send));
    this.append(this.form);
    this.text.addEventListener("input", () => this.fit());
    this.text.addEventListener("keydown", (e) => {
      if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
        e.preventDefault();
        this.form.requestSubmit();
      }
    });
    this.form.onsubmit = (e) => (e.preventDefault(), this.submit());
    this.plain.addEventListener("change", () => this.say());
  }

  show(gid) {
    this.gid = gid;
    this.sending = null;
    this.plain.checked = false;
    this.text.value = drafts.get(gid) || "";
    this.form.querySelector(".problem")?.remove();
    this.fit();
    this.say();
  }

  fit() {
    drafts.set(this.gid, this.text.value);
    this.text.rows = Math.min(8, this.text.value.split("\n").length);
  }

  group() {
    return state.groups.find((g) => g.group_id === this.gid);
  }

  // say tells who can read the next line.
  say() {
    const g = this.group();
    this.hidden = !g || g.role === "none";
    if (this.hidden) return;
    if (g.e2ee !== this.sealed) this.plain.checked = false; // nothing goes out plain because it once did
    this.sealed = g.e2ee;
    const info = state.info.get(this.gid);
    const plain = !g.e2ee || this.plain.checked;
    this.plainly.hidden = Boolean(g.e2ee && info?.settings?.require_encryption);
    this.form.classList.toggle("plain", plain);
    this.send.textContent = this.plain.checked ? "Send PLAIN" : "Send";
    this.who_.textContent = plain ? w("towhom.plain") : safe(info?.readers || "");
  }

  submit() {
    const text = this.text.value;
    const gid = this.gid;
    if (!text.trim()) return;
    // One key for one text: a repeat after a lost answer says nothing twice.
    const key = this.sending?.text === text ? this.sending.key : crypto.randomUUID();
    this.sending = { text, key };
    return run(this.send, async () => {
      const a = await post("/v1/send", { group: gid, texts: [text], ...(this.plain.checked ? { plain: true } : {}) }, { "Idempotency-Key": key });
      if (a.problem) throw a.problem;
      drafts.delete(gid);
      if (this.gid !== gid) return;
      this.sending = null;
      this.text.value = "";
      if (this.sealed) this.plain.checked = false; // it was for that line
      this.fit();
      this.say();
      this.dispatchEvent(new Event("sent"));
    }).then(() => this.gid === gid && this.text.focus());
  }
}

customElements.define("c-compose", Compose);
