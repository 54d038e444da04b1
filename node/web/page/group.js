// One group: how it is set, who owns it, who is out, and the ways to end it.
import { all, get, patch, post } from "./api.js";
import { button, download, h, problem, safe, title, who } from "./dom.js";
import { answers, choice, choose, dialog, field, form, inFives, section, sure } from "./dialog.js";
import { groups, people, state } from "./store.js";
import { w } from "./words.js";

const hour = 3600e9; // nanoseconds
export const lives = [["24h", "a day"], ["168h", "a week"], ["720h", "30 days"], ["8760h", "a year"]];
export const nanoseconds = (life) => parseInt(life) * hour;
const keeps = () => [["forever", w("keep.forever")], ["1d", "a day"], ["7d", "a week"], ["30d", "30 days"], ["90d", "90 days"], ["365d", "a year"]];

// offer adds what is chosen now to what can be, where it is something else.
const offer = (options, now) => (options.some(([v]) => v === now) ? options : [[now, now], ...options]);
const lasting = (age) => age.replace(/(?<=\D)0s$/, "").replace(/h0m$/, "h");
const named = (options, value) => options.find(([v]) => v === value)?.[1] || value;
const facts = (all) => h("dl", {}, all.filter(Boolean).flatMap(([name, ...is]) => [h("dt", {}, name), h("dd", {}, ...is)]));

export async function showGroup(gid) {
  const body = h("div", {}, "…");
  const name = title(state.groups.find((g) => g.group_id === gid));
  const d = dialog(name, body);
  try {
    const i = await get("/v1/group", { group: gid });
    const change = (path, more = {}) => () => done(post(path, { group: gid, ...more }));
    const done = async (asked) => {
      await asked;
      d.close();
      await Promise.all([groups(), people(gid)]);
    };
    body.replaceChildren(...parts(i, name, change, done, d).filter(Boolean));
  } catch (e) {
    body.replaceChildren(problem(e));
  }
}

function parts(i, name, change, done, d) {
  const gid = i.group_id;
  const s = i.settings; // a conversation has none
  const owner = i.role === "owner";
  const in_ = i.role !== "none";
  return [
    facts([["Encryption", i.e2ee ? w("sealed") : w("plain")], s && ["History", w("history." + s.history)], s && ["Key replaced by", w("rotate." + s.rotate_by)],
      s && ["Key serves", `${s.max_age === "0s" ? "any time" : named(lives, lasting(s.max_age))}${s.max_messages ? ` or ${s.max_messages} messages` : ""}`],
      ["Kept here", named(keeps(), i.keep || "forever")], i.parent && ["Goes on for", h("span", { class: "prints" }, i.parent)], ["Group", h("span", { class: "prints" }, gid)]]),
    in_ ? h("p", { class: "choice" }, button("Replace the key now", change("/v1/rotate")),
      owner && i.e2ee && !s?.require_encryption ? button("Turn encryption off", () => sure("Off: what is sent plain can be read by anyone relaying.", change("/v1/encryption", { mode: "off" }))) : null,
      owner && !i.e2ee ? button("Turn encryption on", change("/v1/encryption", { mode: "on" })) : null,
      !owner && !i.e2ee ? button("Accept that it is off", change("/v1/encryption", { mode: "accept" })) : null) : null,
    owner && s ? settings(i, done) : null,
    keep(i, change),
    in_ ? safety(gid) : null,
    in_ && s ? owning(i, owner, change, d) : null,
    s ? outsiders(gid, owner) : null,
    in_ ? h("p", { class: "danger" }, button(s ? "Leave the group" : "End the conversation here", () => sure(!s ? `End it? You get nothing more from ${name}.` : owner ? "You own it: the others stay without an owner." : "Leave this group?", change("/v1/leave", owner && s ? { abandon: true } : {}))))
      : h("p", { class: "danger" }, forget(gid, () => d.close())),
  ];
}

function settings(i, done) {
  const name = h("input", { required: true, maxlength: "64", autocomplete: "off", value: i.name });
  const was = lasting(i.settings.max_age);
  const age = choice(offer(lives, was), was);
  const messages = h("input", { type: "number", min: "0", value: String(i.settings.max_messages) });
  return section("Settings", answers([field("Name", name), field("A key serves for", age), field("or for so many messages", messages, "0: any number")], "Change", () =>
    done(patch("/v1/group", { group: i.group_id, ...(name.value !== i.name ? { name: name.value } : {}), ...(age.value !== was ? { max_age: nanoseconds(age.value) } : {}), max_messages: Number(messages.value) }))));
}

function keep(i, change) {
  const now = i.keep || "forever";
  const how = choice(offer(keeps(), now), now);
  return section("How long messages stay here", answers([field("Keep", how, "what is older is erased on this computer; others keep theirs")], "Keep so", () => change("/v1/retention", { keep: how.value })()));
}

function safety(gid) {
  const body = h("div", {});
  const out = section("Safety number", body);
  const read = async () => {
    const v = await get("/v1/verification", { ref: gid });
    body.replaceChildren(h("p", {}, "All members have to see the same."), inFives(v.safety_number),
      v.verified ? h("p", { class: "ok" }, w("sign.verified"), " ", w("verified.true")) : h("p", {}, button("We compared it: it is equal", async () => (await post("/v1/verification", { ref: gid }), await people(gid), read()))));
  };
  out.addEventListener("toggle", () => out.open && read().catch((e) => body.replaceChildren(problem(e))));
  return out;
}

function owning(i, owner, change, d) {
  const m = state.members.get(i.group_id)?.find((x) => x.peer_id === i.owner_peer_id);
  return section("Who owns it",
    h("p", {}, owner ? "You. To hand it over, choose a person under People." : m ? [who(m.name, m.peer_id), " owns it."] : "The owner is gone: settings stay as they are."),
    owner ? null : h("p", {}, button("I am ready to take it over", change("/v1/transfer/accept"))),
    h("p", {}, "Where the owner is gone for good, a new group can go on in its place, with everyone invited."),
    h("p", {}, button("Begin a new group in its place", () => fork(i, d))));
}

// fork begins a group in the place of one.
export function fork(i, under) {
  const name = h("input", { maxlength: "64", autocomplete: "off", placeholder: safe(i.name) + "-2" });
  form("A new group in its place", [h("p", {}, "It has the same settings. Everyone who is a member is invited; the old one stays as it is."), field("Name", name)], "Begin", async (d) => {
    const f = await post("/v1/fork", { group: i.group_id, ...(name.value ? { name: name.value } : {}) });
    await groups();
    d.close();
    under?.close();
    choose(f.group_id);
  });
}

// outsiders lists who is out, with what can be done for or against them.
function outsiders(gid, owner) {
  const list = h("ul", { class: "members" });
  const peer = h("input", { autocomplete: "off", spellcheck: "false", required: true });
  const out = section("Who is out", list, owner ? answers([field("Peer ID of somebody to keep out", peer)], "Ban", async () => (await post("/v1/ban", { group: gid, peer: peer.value.trim() }), (peer.value = ""), read())) : null);
  const read = async () => {
    const found = (await all("/v1/outsiders", { group: gid })).filter((o) => o.state !== "invited");
    list.replaceChildren(...found.map((o) => h("li", {}, who(o.name, o.peer_id), " ", h("small", {}, w("outside." + o.state)), " ",
      o.member ? button("Proof", () => prove(gid, o), { class: "small" }) : null, " ",
      o.state === "banned" ? button("Allow again", async () => (await post("/v1/unban", { group: gid, peer: o.peer_id }), read()), { class: "small" }) : null)));
    if (!found.length) list.replaceChildren(h("li", {}, "Nobody."));
  };
  out.addEventListener("toggle", () => out.open && read().catch((e) => list.replaceChildren(h("li", {}, problem(e)))));
  return out;
}

// prove gives the proof that somebody is out, as a file.
async function prove(gid, o) {
  const p = await get("/v1/proof", { group: gid, peer: o.peer_id });
  const { keys, first, last } = p.shows;
  download(`out-${o.peer_id.slice(-6)}.proof`, p.proof);
  dialog("Proof", h("p", {}, who(o.name, o.peer_id), ` is out, and ${keys === 1 ? `key ${first} was` : `keys ${first} to ${last} were`} made without them since.`),
    h("p", {}, "The file shows it to anyone, without a node: "), h("p", {}, h("code", {}, "conclave proof verify FILE")));
}

// forget erases a group here that one is not in any more.
export function forget(gid, then) {
  return button("Erase it here", () => sure("Erase all of this group on this computer, from the files too? What others have they keep.", async () => {
    await post("/v1/forget", { group: gid });
    then?.();
    await groups();
    choose(state.groups[0]?.group_id || null);
  }));
}
