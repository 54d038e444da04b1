// What opens over the page: making, joining, inviting, comparing, mending.
import { all, get, post, put } from "./api.js";
import { button, copier, h, problem, run, safe, short, who } from "./dom.js";
import { groups, invitations, joins, people, state, tell } from "./store.js";
import { w } from "./words.js";

// dialog opens one with a title, and returns it. It is gone once closed.
function dialog(title, ...content) {
  const close = h("button", { type: "button", class: "small close", "aria-label": "Close" }, "✕");
  const d = h("dialog", { "aria-label": title }, h("header", {}, h("h2", {}, title), close), ...content);
  close.addEventListener("click", () => d.close());
  d.addEventListener("click", (e) => e.target === d && d.close());
  d.addEventListener("close", () => d.remove());
  document.body.append(d);
  d.showModal();
  return d;
}

function field(label, input, note) {
  return h("label", { class: "field" }, h("span", {}, label), input, note ? h("small", {}, note) : null);
}

// form is a dialog that asks, and does something with the answers.
function form(title, fields, label, act) {
  const go = h("button", { type: "submit" }, label);
  const f = h("form", {}, fields, h("p", { class: "choice" }, go));
  const d = dialog(title, f);
  f.addEventListener("submit", (e) => {
    e.preventDefault();
    run(go, () => act(d));
  });
  f.querySelector("input,select,textarea").focus();
  return d;
}

const choose = (gid) => document.dispatchEvent(new CustomEvent("choose", { detail: gid }));

export function askCreate() {
  const name = h("input", { required: true, maxlength: "64", autocomplete: "off" });
  const history = h("select", {}, h("option", { value: "none" }, w("history.none")), h("option", { value: "all" }, w("history.all")));
  const plain = h("input", { type: "checkbox" });
  form("New group", [field("Name", name), field("History", history), h("label", { class: "check" }, plain, " without encryption: anyone relaying can read")], "Create", async (d) => {
    const g = await post("/v1/groups", { name: name.value, history: history.value, ...(plain.checked ? { plain: true } : {}) });
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

export async function showNearby() {
  const list = h("ul", { class: "members" }, h("li", {}, "Looking…"));
  dialog("Nearby", h("p", {}, "Nodes that this one sees on the local network."), list);
  try {
    const seen = await all("/v1/nearby");
    list.replaceChildren(...seen.map((n) => h("li", {}, who(n.name, n.peer_id), " ", button("Ask to join", () => askJoin(n.peer_id + "/"), { class: "small" }))));
    if (!seen.length) list.replaceChildren(h("li", {}, "Nobody. Is the other node running, on the same network, with UDP port 5353 open?"));
  } catch (e) {
    list.replaceChildren(h("li", {}, problem(e)));
  }
}

export function showInvitation(i) {
  const d = dialog("Invitation", h("p", {}, who(i.from_name, i.from), " invites you to ", h("strong", {}, h("bdi", {}, safe(i.name))), "."),
    h("p", { class: "choice" }, button("Accept", async () => {
      await post("/v1/accept", { invite_id: i.invite_id });
      await Promise.all([invitations(), joins(), groups()]);
      d.close();
    })));
}

// drawing is a QR code, drawn by squares.
async function drawing(text) {
  const { rows } = await post("/qr", { text });
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  const path = document.createElementNS(ns, "path");
  const n = rows.length + 4;
  svg.setAttribute("viewBox", `-2 -2 ${n} ${n}`);
  svg.setAttribute("class", "qr");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "QR code");
  path.setAttribute("d", rows.flatMap((r, y) => [...r].map((c, x) => (c === "1" ? `M${x} ${y}h1v1h-1z` : ""))).join(""));
  svg.append(path);
  return svg;
}

// showReaders tells of a message who could read it, and marks its key.
export async function showReaders(l) {
  state.epoch = l.eid;
  tell("epoch");
  const body = h("div", {}, "…");
  dialog("Who could read this", h("p", { class: "quote" }, safe(l.text).slice(0, 200)), body);
  try {
    const [m] = (await get("/v1/message", { group: l.group_id, message_id: l.message_id })).items.filter((x) => x.sender === l.sender);
    body.replaceChildren(h("p", {}, safe(m.says)), h("ul", { class: "members" }, (m.readers || []).map((r) => h("li", {}, who(r.name, r.peer_id), " ",
      h("small", {}, w("role." + r.role), r.holds_key ? ", has the key" : ", not known to have the key", r.delivered === null ? "" : r.delivered ? ", has the message" : ", not known to have the message")))));
  } catch (e) {
    body.replaceChildren(problem(e));
  }
}

const spans = [["1h", 3600], ["24h", 86400], ["7d", 604800], ["30d", 2592000]];

export function askInvite(g) {
  const peer = h("input", { autocomplete: "off", spellcheck: "false" });
  const out = h("div", { class: "made" });
  const uses = h("input", { type: "number", min: "1", max: "1000", value: "1" });
  const expires = h("select", {}, spans.map(([t], i) => h("option", { value: String(i), selected: i === 1 }, { "1h": "an hour", "24h": "a day", "7d": "a week", "30d": "30 days" }[t])));
  const open = h("input", { type: "checkbox" });
  const links = h("ul", { class: "members" });
  const list = async () => {
    const made = (await all("/v1/links", { group: g.group_id })).filter((l) => l.state === "open");
    links.replaceChildren(...made.map((l) => h("li", {}, `${l.preapproved ? w("link.preapproved", { n: l.uses - l.used }) : w("link.asking")}, until ${new Date(l.expires).toLocaleString()} `,
      button("End it", async () => (await post("/v1/links/revoke", { group: g.group_id, invite_id: l.invite_id }), list()), { class: "small" }))));
  };
  const make = button("Make a link", async () => {
    const l = await post("/v1/links", { group: g.group_id, uses: Number(uses.value), expires: spans[Number(expires.value)][1] * 1e9, preapproved: open.checked });
    const words = open.checked ? w("link.preapproved", { n: uses.value }) : w("link.asking");
    out.replaceChildren(h("div", { class: "pair" }, await drawing(l.link), h("div", {}, h("p", {}, `${words}, until ${new Date(l.expires).toLocaleString()}. Shown once.`), copier(l.link))));
    await list();
  });
  dialog("Invite to " + safe(g.name),
    g.join ? [h("p", {}, "Who types this asks to be let in:"), copier("conclave join " + short(g.join))] : null,
    h("h3", {}, "By a link"), field("People", uses), field("Good for", expires), h("label", { class: "check" }, open, " any member lets them in, nobody has to approve"), h("p", {}, make), out, links,
    h("h3", {}, "By peer ID"), field("Peer ID", peer), h("p", {}, button("Invite", async () => {
      const i = await post("/v1/invite", { group: g.group_id, peer: peer.value.trim() });
      out.replaceChildren(h("p", {}, "Invited: ", w("invite." + i.state)));
    })));
  list().catch(() => {});
}

// inFives sets a safety number in groups, to be read aloud.
const inFives = (n) => h("p", { class: "number" }, (n.replace(/\s/g, "").match(/.{1,5}/g) || []).map((x) => h("span", {}, x)));

export async function showVerify(g, m) {
  const body = h("div", {}, "…");
  const d = dialog(m.self ? "You" : "Who is this?", h("p", {}, who(m.name, m.peer_id)), h("p", { class: "prints" }, m.peer_id), body);
  if (m.self) return body.replaceChildren();
  try {
    const v = await get("/v1/verification", { ref: m.peer_id });
    const may = g.role === "owner" || state.members.get(g.group_id)?.find((x) => x.self)?.can?.includes("kick");
    body.replaceChildren(h("p", {}, "Read this number to each other, face to face or by a call. Both have to see the same."), inFives(v.safety_number), await drawing(v.safety_number),
      v.verified ? h("p", { class: "ok" }, "✓ You compared it.") : h("p", {}, button("We compared them: they are equal", async () => (await post("/v1/verification", { ref: m.peer_id }), await people(g.group_id), d.close()))),
      may && m.role !== "owner" ? h("p", { class: "danger" }, button("Remove from the group", () => sure(`Remove ${safe(m.name) || "this person"}? The key is replaced.`, async () => (await post("/v1/kick", { group: g.group_id, peer: m.peer_id }), d.close())))) : null);
  } catch (e) {
    body.replaceChildren(problem(e));
  }
}

function sure(question, act) {
  const d = dialog("Are you sure?", h("p", {}, question), h("p", { class: "choice" }, button("Yes", async () => (await act(), d.close())), h("button", { type: "button", onclick: () => d.close() }, "No")));
}

export async function showGroup(g) {
  const i = await get("/v1/group", { group: g.group_id });
  const s = i.settings;
  const owner = g.role === "owner";
  const change = (path, body) => async () => (await post(path, { group: g.group_id, ...body }), await Promise.all([groups(), people(g.group_id)]), d.close());
  const d = dialog(safe(i.name || "conversation"),
    h("dl", {}, h("dt", {}, "Encryption"), h("dd", {}, i.e2ee ? w("sealed") : w("plain")), h("dt", {}, "History"), h("dd", {}, s ? w("history." + s.history) : ""),
      h("dt", {}, "Key replaced by"), h("dd", {}, s ? w("rotate." + s.rotate_by) : ""), h("dt", {}, "Group"), h("dd", { class: "prints" }, i.group_id)),
    h("p", { class: "choice" }, i.role === "none" ? null : button("Replace the key now", change("/v1/rotate", {})),
      owner && i.e2ee ? button("Turn encryption off", () => sure("Off: what is sent plain can be read by anyone relaying.", change("/v1/encryption", { mode: "off" }))) : null,
      owner && !i.e2ee ? button("Turn encryption on", change("/v1/encryption", { mode: "on" })) : null,
      !owner && !i.e2ee ? button("Accept that it is off", change("/v1/encryption", { mode: "accept" })) : null),
    i.role === "none" ? null : h("p", { class: "danger" }, button("Leave the group", () => sure(owner ? "You own it: the others stay without an owner." : "Leave this group?", change("/v1/leave", owner ? { abandon: true } : {})))));
}

export async function showHealth() {
  const list = h("ul", { class: "findings" }, h("li", {}, "…"));
  dialog("Health of this node", list, h("p", { class: "prints" }, "You are ", state.self));
  try {
    const found = await all("/v1/doctor");
    list.replaceChildren(...found.map((f) => h("li", { class: f.state }, h("strong", {}, w("finding." + f.state)), " ", safe(f.says), f.hint ? h("small", {}, safe(f.hint)) : null)));
  } catch (e) {
    list.replaceChildren(h("li", {}, problem(e)));
  }
}
