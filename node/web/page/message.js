// One message: who could read it, who has it, and under which key it went.
import { get } from "./api.js";
import { h, problem, safe, who } from "./dom.js";
import { dialog } from "./dialog.js";
import { keyLine } from "./people.js";
import { state, tell } from "./store.js";
import { w } from "./words.js";

// showReaders tells of a message who could read it, and marks its key.
export async function showReaders(l) {
  state.epoch = l.eid;
  tell("epoch");
  const body = h("div", {}, "…");
  dialog("Who could read this", h("p", { class: "quote" }, safe(l.text).slice(0, 200)), body);
  try {
    const [m] = (await get("/v1/message", { group: l.group_id, message_id: l.message_id })).items.filter((x) => x.sender === l.sender);
    const key = (state.keys.get(l.group_id) || []).find((k) => k.eid === m.eid);
    const readers = m.readers || [];
    const sent = readers.filter((r) => r.delivered !== null);
    const part = (title, all) => (all.length ? [h("h3", {}, title), h("ul", { class: "members" }, all.map(reader))] : null);
    body.replaceChildren(...[h("p", {}, safe(m.says)),
      key ? h("p", { class: "keyline" }, keyLine(l.group_id, key), ". All lines under it are marked.") : null,
      sent.length ? [part("Has it", sent.filter((r) => r.delivered)), part("Not known to have it yet", sent.filter((r) => !r.delivered))] : part("Those it is for", readers)].flat(3).filter(Boolean));
  } catch (e) {
    body.replaceChildren(problem(e));
  }
}

function reader(r) {
  return h("li", {}, who(r.name, r.peer_id), " ", h("small", {}, w("role." + r.role), ", ", safe(r.says)));
}
