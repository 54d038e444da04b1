// Making a group, coming into one, being found, and whether this node is well.
import { all, get, post, put } from "./api.js";
import { button, h, problem, safe, who } from "./dom.js";
import { check, choice, choose, dialog, field, form, section } from "./dialog.js";
import { lives, nanoseconds } from "./group.js";
import { talkTo } from "./person.js";
import { groups, joins, state, tell } from "./store.js";
import { joinWords, w } from "./words.js";

export function askCreate() {
  const name = h("input", { required: true, maxlength: "64", autocomplete: "off" });
  const history = choice([["none", w("history.none")], ["all", w("history.all")]]);
  const by = choice([["any", w("rotate.any")], ["deputies", w("rotate.deputies")], ["owner", w("rotate.owner")]]);
  const age = choice(lives, "720h");
  const messages = h("input", { type: "number", min: "0", value: "0" });
  const plain = h("input", { type: "checkbox" });
  const required = h("input", { type: "checkbox" });
  form("New group", [field("Name", name), field("History", history), check(plain, "without encryption: anyone relaying can read"),
    section("More", field("The key is replaced by", by), field("A key serves for", age), field("or for so many messages", messages, "0: any number"), check(required, "encryption can never be turned off"))], "Create", async (d) => {
    const g = await post("/v1/groups", { name: name.value, history: history.value, rotate_by: by.value, max_age: nanoseconds(age.value), max_messages: Number(messages.value),
      ...(plain.checked ? { plain: true } : {}), ...(required.checked ? { require_encryption: true } : {}) });
    await groups();
    d.close();
    choose(g.group_id);
  });
}

export function askJoin(given = "") {
  const ref = h("input", { required: true, autocomplete: "off", value: given, spellcheck: "false" });
  const note = h("input", { maxlength: "200", autocomplete: "off" });
  form("Join a group", [field("Link, or peer ID and group", ref, "conclave:… or PEER_ID/GROUP, as the other person's node shows it"), field("A line for who decides", note)], "Ask", async (d) => {
    const text = ref.value.trim().replace(/^conclave join\s+/, "");
    const slash = text.indexOf("/");
    const j = text.includes(":") || slash < 0 ? { peer: text } : { peer: text.slice(0, slash), group: text.slice(slash + 1) };
    const a = await post("/v1/joins", { ...j, ...(note.value ? { note: note.value } : {}) });
    await Promise.all([joins(), groups()]);
    d.close();
    if (a.state === "joined") choose(a.group_id);
  });
}

export function askName() {
  const name = h("input", { required: true, maxlength: "64", autocomplete: "off", value: state.name });
  form("You", [field("Name", name, "all members of all your groups see it, beside your fingerprint"), h("p", { class: "prints" }, state.self)], "Keep", async (d) => {
    state.name = (await put("/v1/profile", { name: name.value })).name;
    tell("groups");
    d.close();
  });
}

export function askTalk() {
  const peer = h("input", { required: true, autocomplete: "off", spellcheck: "false" });
  form("Talk to one person", [field("Peer ID", peer, "as the other person's node shows it; both of you may begin, it is one conversation")], "Open", async (d) => {
    await talkTo(peer.value.trim());
    d.close();
  });
}

export async function showNearby() {
  const list = h("ul", { class: "members" }, h("li", {}, "Looking…"));
  const d = dialog("Nearby", h("p", {}, "Nodes that this one sees on the local network."), list);
  try {
    const seen = await all("/v1/nearby");
    list.replaceChildren(...seen.map((n) => h("li", {}, who(n.name, n.peer_id), " ", button("Ask to join", () => askJoin(n.peer_id + "/"), { class: "small" }), " ",
      button("Talk", async () => (await talkTo(n.peer_id), d.close()), { class: "small" }))));
    if (!seen.length) list.replaceChildren(h("li", {}, "Nobody. Is the other node running, on the same network, with UDP port 5353 open?"));
  } catch (e) {
    list.replaceChildren(h("li", {}, problem(e)));
  }
}

export function showInvitation(i) {
  const d = dialog("Invitation", h("p", {}, who(i.from_name, i.from), i.invite_id === i.group_id ? " wants to talk to you alone." : [" invites you to ", h("strong", {}, h("bdi", {}, safe(i.name))), "."]), h("p", { class: "prints" }, i.from),
    h("p", { class: "choice" }, button("Accept", async () => {
      const a = await post("/v1/accept", { invite_id: i.invite_id });
      await Promise.all([joins(), groups()]);
      d.close();
      if (a.state === "joined") choose(a.group_id);
    }), button("Not now", () => d.close())));
}

// showJoin tells of a request of one's own.
export function showJoin(j) {
  const d = dialog("Your request", h("p", {}, joinWords(j), j.peer_id ? [" ", who("", j.peer_id)] : null),
    j.state === "requested" ? h("p", { class: "choice" }, button("Take it back", async () => {
      await post("/v1/joins/withdraw", { peer: j.peer_id, ...(j.group_id ? { group: j.group_id } : {}) });
      await joins();
      d.close();
    })) : null);
}

export async function showHealth() {
  const list = h("ul", { class: "findings" }, h("li", {}, "…"));
  const about = h("p", { class: "prints" }, "You are ", state.self);
  dialog("Health of this node", list, about);
  try {
    const [found, s] = await Promise.all([all("/v1/doctor"), get("/v1/status")]);
    list.replaceChildren(...found.map((f) => h("li", { class: f.state }, h("strong", {}, w("finding." + f.state)), " ", safe(f.says), f.hint ? h("small", {}, safe(f.hint)) : null)));
    about.append(h("br"), `conclave ${safe(s.version)}, connected with ${s.peers}, at ${s.addrs.map((a) => safe(a)).join(" ")}`);
  } catch (e) {
    list.replaceChildren(h("li", {}, problem(e)));
  }
}
