// Search over what one may read of a group: its log is read backwards, page by
// page, as long as somebody looks at what is found.
import { get } from "./api.js";
import { arrows, button, clock, day, h, problem, safe, title, who } from "./dom.js";
import { dialog } from "./dialog.js";
import { state } from "./store.js";

const page = 1000; // lines that are read at once
const most = 100; // lines that are found at once

// pagesBack reads a log from its end to its beginning: pages of lines, the newest
// first.
export async function* pagesBack(gid, before = "end") {
  while (before) {
    const lines = (await get("/v1/log", { group: gid, before, limit: page })).items.reverse();
    before = lines.length < page ? null : lines.at(-1).cursor;
    yield lines;
  }
}

// showSearch opens a search; go shows a line in its place.
export function showSearch(g, go) {
  const query = h("input", { type: "search", autocomplete: "off", "aria-label": "What to look for", placeholder: "Words, or a name" });
  const said = h("p", { class: "state", role: "status" }, "What you may read of this group is searched, newest first.");
  const list = h("ol", { class: "hits" });
  const more = button("Search on", () => look());
  more.hidden = true;
  let text, pages, looked, found, rest, turn = 0;

  async function look() {
    const mine = ++turn;
    const until = found + most;
    more.hidden = true;
    try {
      while (mine === turn && d.open && found < until) {
        if (!rest.length) {
          const next = await pages.next();
          if (mine !== turn) return;
          if (next.done) break;
          rest = next.value;
        }
        for (let l; found < until && (l = rest.shift()); looked++) if (matches(l, text)) list.append(hit(l)), found++;
        said.textContent = `${found} found in ${looked.toLocaleString()} lines …`;
      }
    } catch (e) {
      said.replaceChildren(problem(e));
      return;
    }
    more.hidden = found < until;
    said.textContent = `${found} found in ${looked.toLocaleString()} lines` + (more.hidden ? "." : ", and there are more.");
  }

  function hit(l) {
    return h("li", {}, h("button", { type: "button", class: "row", onclick: () => (d.close(), go(l, d.again)) },
      h("span", { class: "from" }, l.kind !== "message" ? null : l.sender === state.self ? "you" : who(l.sender_name, l.sender)), h("time", { datetime: l.time || "" }, day(l.time), " ", clock(l.time)),
      h("span", { class: "quote" }, excerpt(said_(l), text))));
  }

  const f = h("form", { role: "search", class: "line" }, query, h("button", { type: "submit" }, "Search"));
  f.addEventListener("submit", (e) => {
    e.preventDefault();
    if (!(text = query.value.trim().toLowerCase())) return;
    list.replaceChildren();
    [pages, looked, found, rest] = [pagesBack(g.group_id), 0, 0, []];
    look();
  });
  arrows(list, ".row");
  const d = dialog("Search in " + title(g), f, said, list, h("p", {}, more));
  query.focus();
}

const said_ = (l) => safe(l.text || l.reason || "");

const matches = (l, text) => said_(l).toLowerCase().includes(text) || (l.kind === "message" && safe(l.sender_name || "").toLowerCase().includes(text));

// excerpt begins shortly before what was looked for, and marks it.
function excerpt(text, query) {
  const at = text.toLowerCase().indexOf(query);
  if (at < 0) return text.slice(0, 200);
  const from = Math.max(0, at - 24);
  return [from ? "…" : "", text.slice(from, at), h("mark", {}, text.slice(at, at + query.length)), text.slice(at + query.length, at + query.length + 160)];
}
