// What the page knows, and how it learns it. Whatever the node says has changed is
// read again, soon and once.
import { all, follow, get } from "./api.js";

export const state = {
  self: null, // peer ID
  name: "", // one's own
  online: true,
  groups: [],
  requests: [],
  invitations: [],
  joins: [],
  health: null,
  members: new Map(), // by group
  keys: new Map(),
  info: new Map(),
  held: new Map(), // lines of a backup
  progress: new Map(),
  epoch: null, // selected in the timeline
};

const listeners = new Set();

// on has f told what changed, and in which group: "groups", "people", "log", ...
export const on = (f) => (listeners.add(f), () => listeners.delete(f));
export const tell = (what, gid) => listeners.forEach((f) => f(what, gid));

const due = new Map();

// soon runs a reading once, however often it is asked for meanwhile.
function soon(key, read) {
  if (due.has(key)) return;
  due.set(key, setTimeout(async () => {
    due.delete(key);
    try {
      await read();
    } catch (e) {
      if (e.error !== "no_node" && e.status !== 401) console.warn(key, e.message);
    }
  }, 120));
}

// groups reads the groups, those that were left behind the others. A conversation
// that a stranger began is an invitation until it is accepted.
export async function groups() {
  const [found] = await Promise.all([all("/v1/groups", { all: true }), invitations()]);
  const asked = new Set(state.invitations.map((i) => i.invite_id));
  const out = (g) => (g.role === "none" ? 1 : 0);
  state.groups = found.filter((g) => !asked.has(g.group_id)).sort((a, b) => out(a) - out(b));
  tell("groups");
}
export const requests = async () => ((state.requests = await all("/v1/requests")), tell("requests"));
export const invitations = async () => ((state.invitations = await all("/v1/invitations")), tell("invitations"));
export const joins = async () => ((state.joins = await all("/v1/joins")), tell("joins"));
export const health = async () => ((state.health = await all("/v1/doctor")), tell("health"));

export async function people(gid) {
  const [members, keys, info, held] = await Promise.all([all("/v1/members", { group: gid }), all("/v1/keys", { group: gid }), get("/v1/group", { group: gid }), all("/v1/held", { group: gid })]);
  state.members.set(gid, members);
  state.keys.set(gid, keys.reverse());
  state.info.set(gid, info);
  state.held.set(gid, held);
  if (info.catching_up) state.progress.set(gid, info.catching_up);
  else state.progress.delete(gid);
  tell("people", gid);
}

export const others = () => Promise.all([requests(), joins(), health()]);

// begin reads who this is, and the groups, and then what changes. The others can
// come later.
export async function begin() {
  const [status, profile] = await Promise.all([get("/v1/status"), get("/v1/profile"), groups()]);
  state.self = status.peer_id;
  state.name = profile.name || "";
  follow(heard, (up) => {
    if (state.online !== up) {
      state.online = up;
      tell("online");
    }
  });
  setInterval(() => document.hidden || soon("health", health), 30000);
}

function heard(e) {
  if (e.type === "again" || e.type === "ready") {
    soon("everything", async () => (await Promise.all([groups(), others()]), tell("again")));
    return;
  }
  if (e.type !== "message") return;
  const { kind, group_id: gid } = e.data;
  switch (kind) {
    case "log":
      tell("log", gid);
      soon("groups", groups);
      break;
    case "read":
      return soon("groups", groups);
    case "request":
      soon("requests", requests);
      break;
    case "invitation":
      soon("groups", groups);
      break;
    case "join":
      soon("joins", joins);
      soon("groups", groups);
      break;
    case "progress":
      state.progress.set(gid, e.data.data);
      tell("progress", gid);
      break;
    default: // group, delivered, alarm and what is to come
      soon("groups", groups);
      tell("log", gid);
  }
  if (kind !== "progress" && state.members.has(gid)) soon("people" + gid, () => people(gid));
}
