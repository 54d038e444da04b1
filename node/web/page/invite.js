// How others come in: what they type, a link, or an invitation.
import { all, post } from "./api.js";
import { button, copier, h, safe, short, who } from "./dom.js";
import { check, choice, dialog, drawing, field } from "./dialog.js";
import { state } from "./store.js";
import { w } from "./words.js";

const spans = [["3600", "an hour"], ["86400", "a day"], ["604800", "a week"], ["2592000", "30 days"]];
const until = (l) => `until ${new Date(l.expires).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`;

const goodFor = (preapproved, n) => w(!preapproved ? "link.asking" : n === 1 ? "link.one" : "link.preapproved", { n });

export function askInvite(gid) {
  const g = state.groups.find((x) => x.group_id === gid);
  const out = h("div", { class: "made" });
  const invited = h("ul", { class: "members" });
  const links = h("ul", { class: "members" });
  const peer = h("input", { autocomplete: "off", spellcheck: "false" });
  const uses = h("input", { type: "number", min: "1", max: "1000", value: "1" });
  const expires = choice(spans, "86400");
  const open = h("input", { type: "checkbox" });

  const list = async () => {
    const made = (await all("/v1/links", { group: gid })).filter((l) => l.state === "open");
    links.replaceChildren(...made.map((l) => h("li", {}, `${goodFor(l.preapproved, l.uses - l.used)}, ${until(l)} `,
      button("End it", async () => (await post("/v1/links/revoke", { group: gid, invite_id: l.invite_id }), list()), { class: "small" }))));
    const waiting = (await all("/v1/outsiders", { group: gid })).filter((o) => o.state === "invited");
    invited.replaceChildren(...waiting.map((o) => h("li", {}, "Invited: ", who(o.name, o.peer_id), " ",
      button("Take it back", async () => (await post("/v1/invite/withdraw", { group: gid, peer: o.peer_id }), list()), { class: "small" }))));
  };
  const make = button("Make a link", async () => {
    const l = await post("/v1/links", { group: gid, uses: Number(uses.value), expires: Number(expires.value) * 1e9, preapproved: open.checked });
    out.replaceChildren(h("div", { class: "pair" }, await drawing(l.link), h("div", {}, h("p", {}, `${goodFor(open.checked, Number(uses.value))}, ${until(l)}. Shown once.`), copier(l.link))));
    await list();
  });
  const said = h("p", { role: "status" });
  dialog("Invite to " + safe(g.name),
    g.join ? [h("p", {}, "Who types this asks to be let in:"), copier("conclave join " + short(g.join))] : null,
    h("h3", {}, "By a link"), field("People", uses), field("Good for", expires), check(open, "any member lets them in, nobody has to approve"), h("p", {}, make), out, links,
    h("h3", {}, "By peer ID"), field("Peer ID", peer), h("p", {}, button("Invite", async () => {
      const i = await post("/v1/invite", { group: gid, peer: peer.value.trim() });
      said.textContent = "Invited: " + w("invite." + i.state);
      peer.value = "";
      await list();
    })), said, invited);
  list().catch(() => {});
}
