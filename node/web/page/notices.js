// What a person has to know of a group before they write: cards over the place to
// write.
import { get, post } from "./api.js";
import { button, download, h, safe, who } from "./dom.js";
import { dialog, sure } from "./dialog.js";
import { forget, fork } from "./group.js";
import { mayRemove, showPerson } from "./person.js";
import { people, state } from "./store.js";
import { w } from "./words.js";

export function notices(g) {
  const gid = g.group_id;
  const info = state.info.get(gid);
  return [
    ...state.requests.filter((r) => r.group_id === gid && r.state === "pending").map(request),
    g.role === "none" ? h("section", { class: "card" }, h("p", {}, w("towhom.out")), h("p", { class: "choice" }, forget(gid))) : null,
    ...accused(info).map((id) => alarm(g, info, id)),
    parked(gid),
  ];
}

// request is of somebody who asks to be let in.
function request(r) {
  const decide = (path) => () => post(path, { group: r.group_id, peer: r.peer_id });
  return h("section", { class: "card" },
    h("p", {}, who(r.name, r.peer_id), r.alike ? [" ", h("span", { class: "tag" }, w("alike"))] : null, " ", w("request.pending"), r.note ? [": “", h("bdi", {}, safe(r.note)), "”"] : null, r.kept_by ? [", by ", who("", r.kept_by)] : null),
    h("p", { class: "prints" }, r.fingerprint),
    h("p", { class: "choice" }, button("Approve", decide("/v1/approve"), { "data-key": "approve" + r.peer_id }), button("Decline", decide("/v1/decline"), { "data-key": "decline" + r.peer_id })));
}

const accused = (info) => [...new Set((info?.alarms || []).map((a) => a.peer_id))];

function alarm(g, info, id) {
  const a = info.alarms.find((x) => x.peer_id === id);
  return h("section", { class: "card alarm" }, h("p", {}, h("strong", {}, "Alarm: "), who(a.name, id), " signed two different things under one number."),
    h("p", { class: "choice" }, h("button", { type: "button", class: "small", "data-key": "alarm" + id, onclick: () => showAlarm(g, id) }, "What this means")));
}

// showAlarm says what happened, and what is left to do about it.
function showAlarm(g, id) {
  const gid = g.group_id;
  const info = state.info.get(gid);
  const all = info.alarms.filter((a) => a.peer_id === id);
  const members = state.members.get(gid) || [];
  const m = members.find((x) => x.peer_id === id);
  const [advice, act] = todo(g, info, members, m, () => d.close());
  const d = dialog("Two different things under one number",
    h("ul", {}, all.map((a) => h("li", {}, who(a.name, id), safe(a.says).replace(/^.*?·\S+/, "")))),
    h("p", {}, "An honest node never does. Either somebody shows different people different things, or this person's home was copied, or put back from an old copy, and both go on signing."),
    h("p", {}, advice), act ? h("p", {}, act) : null,
    h("p", {}, "The file is the proof, for anyone. No key is in it, but the text of lines that were sent plain is."),
    h("p", {}, button("Save the proof", async () => {
      const e = await get("/v1/evidence", { group: gid, peer: id });
      if (e.evidence) download(`signed-twice-${id.slice(-6)}.evidence`, e.evidence);
      else throw new Error("there is no proof here");
    })));
}

function todo(g, info, members, m, done) {
  const open = (label, f) => button(label, () => (done(), f()));
  if (m?.self) return ["It is you: your own identity signs elsewhere too. See whether a copy or an old backup of this node runs, and stop it."];
  if (g.join === null) return ["Compare with them in person what each of you reads. Under Group you can end the conversation here."];
  if (!m) return ["This person is out: nothing is left to do."];
  if (m.role === "owner") return ["Nobody can remove an owner. You can begin a new group in the place of this one.", g.role === "none" ? null : open("Begin a new group in its place", () => fork(info))];
  if (mayRemove(g, members.find((x) => x.self), m)) return ["You can remove them.", open("Look at this person", () => showPerson(g.group_id, m.peer_id))];
  return [["Ask the owner, ", who(members.find((x) => x.role === "owner")?.name, info.owner_peer_id), ", to remove them, and send the proof."]];
}

// parked are lines that waited when the backup was made that this home is from.
function parked(gid) {
  const lines = state.held.get(gid) || [];
  if (!lines.length) return null;
  const settle = (drop) => async () => (await post("/v1/held", { group: gid, ...(drop ? { drop } : {}) }), await people(gid));
  return h("section", { class: "card" }, h("p", {}, lines.length === 1 ? "One line" : `${lines.length} lines`, " waited to leave when the backup was made that this node is from. If the old one has sent them since, forget them."),
    h("ul", {}, lines.slice(0, 3).map((l) => h("li", { class: "quote" }, h("bdi", {}, safe(l.text || "").slice(0, 120))))),
    h("p", { class: "choice" }, button("Send them", settle()), button("Forget them", () => sure("Forget these lines?", settle(true)))));
}
