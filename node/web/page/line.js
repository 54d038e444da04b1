// One line of a conversation, as a row.
import { clock, copier, fingerprints, h, safe, short, who } from "./dom.js";
import { state } from "./store.js";
import { w } from "./words.js";
import { showReaders } from "./message.js";

const long = 2000; // characters of a text, and
const tall = 30; // lines, that are shown before somebody asks for more
const more = 20000; // characters, each time that somebody does
const unfolded = new Map(); // how many are shown, by message

// alone says how others come in.
export function alone(g) {
  return h("li", { class: "empty" }, h("div", {}, h("p", {}, "Nobody else is here. Another person types:"), copier("conclave join " + short(g.join)), h("p", {}, "or you make a link, under Invite.")));
}

export function draw(l, marked, hit) {
  const own = l.sender === state.self;
  const message = l.kind === "message";
  const kind = !message || l.encrypted ? l.kind : "message plainline";
  const held = l.state === "held";
  const time = h("time", { datetime: l.time || "" }, clock(l.time) || (message ? "…" : ""));
  const opens = message && l.message_id && !held;
  const row = h("li", { class: kind + (own ? " own" : "") + (held ? " held" : "") + (marked ? " marked" : "") + (hit ? " hit" : ""), "data-c": l.cursor, "data-key": l.cursor + (l.message_id || ""), tabindex: "-1" },
    message && !l.encrypted ? h("strong", { class: "word" }, w("plain")) : null,
    opens ? h("button", { type: "button", class: "time", tabindex: "-1", "aria-label": "Who could read this", onclick: () => showReaders(l) }, time) : time,
    message
      ? [h("span", { class: "from" }, own ? "you" : who(l.sender_name, l.sender)), text(l)]
      : h("span", { class: "reason", dir: "ltr" }, l.kind === "unreadable" ? [w("unreadable", { who: "" }), who(l.sender_name, l.sender), " · "] : null, fingerprints(l.reason || "")),
    own && message ? tick(l) : null);
  if (opens) enters(row, () => showReaders(l));
  return row;
}

// enters lets Enter act on a row, once the key is up: what opens would take the
// rest of the stroke.
function enters(row, act) {
  let down = false;
  row.addEventListener("keydown", (e) => (down = e.key === "Enter" && e.target === row));
  row.addEventListener("keyup", (e) => down && e.key === "Enter" && ((down = false), act()));
}

// text is what was said; of what is very long, its beginning.
function text(l) {
  const whole = safe(l.text, true);
  const key = l.sender + l.message_id;
  const shown = unfolded.get(key);
  const begin = shown ? whole.slice(0, shown) : whole.split("\n", tall).join("\n").slice(0, long);
  if (begin.length === whole.length) return h("span", { class: "text" }, whole);
  const rest = h("button", { type: "button", class: "small more" }, `… more of ${whole.length.toLocaleString()} characters`);
  const out = h("span", { class: "text" }, begin, rest);
  rest.addEventListener("click", () => {
    unfolded.set(key, (shown || 0) + more);
    out.replaceWith(text(l));
  });
  return out;
}

function tick(l) {
  if (l.state === "held") return h("span", { class: "tick wait" }, w("held"), " · ", safe(l.reason || ""));
  if (l.recipients === null || l.recipients === undefined) return null;
  const far = { n: l.delivered, of: l.recipients };
  const done = l.state === "delivered";
  const says = done ? w("delivered.all") : w("delivered.some", far);
  return h("span", { class: "tick", title: says, role: "img", "aria-label": says }, done ? w("sign.delivered") : l.recipients > 1 ? w("sign.some", far) : w("sign.sent"));
}
