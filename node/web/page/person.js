// One person: who it is, what they may do, and what one can do about them.
import { get, post } from "./api.js";
import { button, h, problem, safe, who } from "./dom.js";
import { answers, check, choose, dialog, drawing, inFives, section, sure } from "./dialog.js";
import { groups, people, state } from "./store.js";
import { w } from "./words.js";

// What a deputy may.
const rights = ["approve", "kick", "rotate", "invite"];
const may = (can) => can.map((c) => w("can." + c)).join(", ");

// talkTo opens the conversation with somebody.
export async function talkTo(peer) {
  const a = await post("/v1/dm", { peer });
  await groups();
  choose(a.group_id);
}

export async function showPerson(gid, id) {
  const g = state.groups.find((x) => x.group_id === gid);
  const me = state.members.get(gid)?.find((x) => x.self);
  const m = state.members.get(gid)?.find((x) => x.peer_id === id);
  if (!g || !m) return;
  const body = h("div", {}, "…");
  const d = dialog(m.self ? "You" : "Who is this?", h("p", {}, who(m.name, m.peer_id)), h("p", { class: "prints" }, m.peer_id),
    h("p", {}, w("role." + m.role), m.can?.length ? `: may ${may(m.can)}` : ""),
    m.alike ? h("p", { class: "problem" }, "Somebody else here has a name that looks like this one. What tells them apart is the fingerprint behind it.") : null, body);
  if (m.self) return body.remove();
  // change asks the node for something about this person, and closes what asked.
  const change = (path, more = {}) => async () => {
    const a = await post(path, { group: gid, peer: id, ...more });
    d.close();
    await Promise.all([groups(), people(gid)]);
    if (a.links_ended) dialog("Links have ended", h("p", {}, "Links by which any member lets people in ended with this removal. Make a new one, under Invite, where one is still wanted."));
  };
  try {
    const v = await get("/v1/verification", { ref: id });
    const name = safe(m.name) || "this person";
    body.replaceChildren(...[h("p", {}, "Read this number to each other, face to face or by a call. Both have to see the same."), inFives(v.safety_number), await drawing(v.safety_number),
      v.verified ? h("p", { class: "ok" }, w("sign.verified"), " ", w("verified.true")) : h("p", {}, button("We compared them: they are equal", async () => (await post("/v1/verification", { ref: id }), await people(gid), d.close()))),
      g.join === null ? null : h("p", { class: "choice" }, button("Talk to them alone", async () => (await talkTo(id), d.close()))),
      g.role === "owner" ? deputy(m, change) : null,
      g.role === "owner" ? section("Hand the group over", h("p", {}, `${name} becomes the owner, and you a member. They have to say first that they are ready: under Group, “Who owns it”.`),
        button(`Make ${name} the owner`, change("/v1/transfer"))) : null,
      mayRemove(g, me, m) ? h("p", { class: "danger" }, button("Remove from the group", () => sure(`Remove ${name}? The key is replaced. They may ask to come in again.`, change("/v1/kick"))), " ",
        button("Ban", () => sure(`Ban ${name}? The key is replaced, and nobody can let them in until you allow it again.`, change("/v1/ban")))) : null].filter(Boolean));
  } catch (e) {
    body.replaceChildren(problem(e));
  }
}

// mayRemove reports whether somebody may remove a member.
export const mayRemove = (g, me, m) => !m.self && m.role !== "owner" && g.join !== null && (g.role === "owner" || (m.role === "member" && me?.can?.includes("kick")));

function deputy(m, change) {
  const is = m.role === "deputy";
  const boxes = rights.map((r) => [r, w("can." + r), h("input", { type: "checkbox", checked: !is || m.can?.includes(r) })]);
  return section(is ? "What this deputy may" : "Make a deputy", answers(boxes.map(([, words, box]) => check(box, words)), is ? "Keep" : "Make a deputy",
    () => change("/v1/deputies", { can: boxes.filter(([, , box]) => box.checked).map(([r]) => r) })()),
    is ? h("p", {}, button("Take it back", change("/v1/deputies/remove"))) : null);
}
