// The page: who acts, where they are, and what is drawn again when something changes.

import { Stream, get, keepToken } from "./api.js";
import { icon, node } from "./dom.js";
import { Modal } from "./modal.js";
import { HomePane, RoomPane, ThreadPane, refreshed } from "./panes.js";
import { drawRail } from "./rail.js";
import { session, roomAt, personOf, isDirect } from "./session.js";
import { moment } from "./times.js";
import { toast } from "./toasts.js";

const part = (id) => document.getElementById(id);
const narrow = matchMedia("(max-width: 759px)");
const sheet = matchMedia("(max-width: 1179px)");
const TICK_MS = 5000;

let pane = null; // a RoomPane or a HomePane
let thread = null; // a ThreadPane
let modal = null;
let beforeThread = null; // what had the focus when the thread was opened
let skew = 0; // the workspace's clock less this machine's, in seconds

// What changed while the connection was being made was told to nobody, so it is asked for.
const stream = new Stream(heard, (open) => {
  part("link").textContent = open ? "" : "Not connected. Trying again.";
  if (open && pane && modal) everything();
});

// --- the address: #as=U01MIRA&at=gpu-requests&thread=1700000000.000100&theme=dark

function addressed() {
  const address = new URLSearchParams(location.hash.slice(1));
  keepToken(address.get("token"));
  address.delete("token");
  if (location.hash.includes("token=")) history.replaceState(null, "", `#${address}`);
  const theme = address.get("theme");
  if (theme) document.documentElement.dataset.theme = theme;
  return {
    as: address.get("as") ?? "",
    at: address.get("at") ?? address.get("channel") ?? "",
    thread: address.get("thread") ?? "",
    message: (address.get("message") ?? "").replace(/^p(\d+)(\d{6})$/, "$1.$2"),
  };
}

function address() {
  const { me, at, thread: root } = session;
  const known = { as: me.id, at: placeName(at), ...(root ? { thread: root } : {}) };
  const theme = document.documentElement.dataset.theme;
  const hash = new URLSearchParams(theme ? { ...known, theme } : known).toString();
  if (location.hash.slice(1) !== hash) history.replaceState(null, "", `#${hash}`);
}

/** Return what a person would write for a place, `gpu-requests` or `dm`; the id where that would lead elsewhere. */
function placeName(at) {
  const room = at === "home" ? null : roomAt(at);
  if (!room) return "home";
  const name = isDirect(room) ? (room.is_app ? "dm" : room.with) : room.name;
  return name !== "home" && roomAt(name) === room ? name : room.id;
}

// --- going somewhere

/** What the rail does; what fails is said. */
const go = { actAs: (user) => refreshed(actAs(user)), goTo: (at) => refreshed(goTo(at)) };

async function actAs(user, at = "") {
  const before = session.me;
  session.me = personOf(user) ?? session.boot.people[0];
  session.rooms = await get("/ui/state");
  stream.listen();
  await goTo(at || waiting(before), "");
  await modal.refresh();
  tick();
  if (before && before.id !== session.me.id) toast(`You now act as ${[session.me.name, session.me.title.toLowerCase()].filter(Boolean).join(", ")}.`);
}

/** Return where a person goes first: to what waits for them, or else where the page is. */
function waiting(before) {
  const direct = session.rooms.dms.find((room) => room.is_app);
  if (direct.unread) return direct.id;
  return before && (session.at === "home" || roomAt(session.at)) ? session.at : (session.rooms.channels[0] ?? direct).id;
}

async function goTo(at, root = "", message = "") {
  drawer(false);
  const hooks = { openMenu: () => drawer(true), openThread };
  const room = at === "home" ? null : (roomAt(at) ?? session.rooms.channels[0] ?? session.rooms.dms[0]);
  session.at = room ? room.id : "home";
  const opened = room ? new RoomPane(part("pane"), room, hooks) : new HomePane(part("pane"), hooks);
  pane = opened;
  closeThread({ quiet: true });
  part("skip").hidden = !room;
  drawRail(part("rail"), go);
  await refreshed(room ? opened.refresh() : opened.open());
  if (pane !== opened) return; // Somebody went on while this was fetched.
  if (room) pane.list.toEnd();
  if (message) pane.list?.mark(message);
  if (root && room) await openThread(root);
  if (room && !root && !narrow.matches) pane.composer.field.focus();
  title();
  address();
}

async function openThread(root) {
  const room = roomAt(session.at);
  beforeThread = document.activeElement;
  session.thread = root;
  part("thread").hidden = false;
  part("desk").classList.add("with-thread");
  const opened = new ThreadPane(part("thread"), room, root, { close: closeThread });
  thread = opened;
  await refreshed(opened.refresh());
  if (thread !== opened) return; // It was closed, or another was opened, while this was fetched.
  thread.list.toEnd();
  if (!narrow.matches) thread.composer.field.focus();
  else part("thread").querySelector(".bare").focus();
  address();
}

function closeThread({ quiet = false } = {}) {
  session.thread = "";
  thread = null;
  part("thread").hidden = true;
  part("thread").replaceChildren();
  part("desk").classList.remove("with-thread");
  if (quiet) return;
  if (beforeThread && document.contains(beforeThread)) beforeThread.focus();
  else pane.composer?.field.focus();
  address();
}

function drawer(open) {
  const wasOpen = part("desk").classList.contains("drawer");
  if (open === wasOpen) return;
  part("desk").classList.toggle("drawer", open);
  part("pane").inert = open;
  if (open) part("rail").querySelector("button").focus();
  else part("pane").querySelector(".burger")?.focus();
}

// --- hearing

const pending = new Map();

/** Run `work` once, shortly after the last of several calls with the same key. */
function soon(key, work) {
  if (pending.has(key)) return;
  pending.set(key, setTimeout(() => {
    pending.delete(key);
    refreshed(work());
  }, 25));
}

function heard(note) {
  if (note.type === "unread") soon("rooms", rooms);
  else if (note.type === "modal") soon("modal", () => modal.refresh());
  else if (note.type === "home") soon("home", async () => pane instanceof HomePane && pane.refresh());
  else if (note.type === "toast") toast(note.text);
  else if (note.channel === session.at) {
    soon("room", async () => pane instanceof RoomPane && pane.refresh());
    if (thread) soon("thread", async () => thread?.refresh());
  }
}

async function rooms() {
  session.rooms = await get("/ui/state");
  drawRail(part("rail"), go);
  title();
}

function everything() {
  for (const work of [rooms, () => pane.refresh(), () => modal.refresh(), async () => thread?.refresh()]) refreshed(work());
}

function title() {
  const room = session.at === "home" ? null : roomAt(session.at);
  const unread = [...session.rooms.channels, ...session.rooms.dms].reduce((sum, each) => sum + (each.id === session.at ? 0 : each.unread), 0);
  const where = room ? (isDirect(room) ? room.name : `#${room.name}`) : "Home";
  document.title = `${unread ? `(${unread}) ` : ""}${where} · Local workspace, not Slack`;
}

function tick() {
  session.boot.now = Date.now() / 1000 + skew;
  part("clock").textContent = moment(session.boot.now);
}

// --- the keyboard

function keys(event) {
  if (modal.dialog.open) return;
  if (event.key === "Escape") escape();
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    openCommands();
  }
}

function escape() {
  if (part("desk").classList.contains("drawer")) drawer(false);
  else if (thread && (sheet.matches || part("thread").contains(document.activeElement))) closeThread();
}

async function openCommands() {
  if (pane instanceof HomePane) await goTo("dm");
  pane.composer.type("/");
}

/** Links into the workspace go there without leaving the page. */
function followed(event) {
  const link = event.target.closest?.("a[href]");
  const inside = link && new URL(link.href, location.href);
  if (!inside || inside.origin !== location.origin || event.metaKey || event.ctrlKey) return;
  const [, room, stamp] = /^\/archives\/([A-Z0-9]+)\/p(\d{7,})$/.exec(inside.pathname) ?? [];
  if (!room) return;
  event.preventDefault();
  const message = stamp.replace(/(\d{6})$/, ".$1");
  goTo(room, inside.searchParams.get("thread_ts") ?? "", message);
}

// --- the start

function closed(error) {
  document.querySelector(".desk").replaceChildren(node("div", { class: "closed", role: "alert" }, icon("lock"), node("h1", {}, "This page is closed"), node("p", {}, error.message)));
  document.querySelector(".desk").classList.add("shut");
}

async function start() {
  const wanted = addressed();
  try {
    session.boot = await get("/ui/boot");
  } catch (error) {
    closed(error);
    return;
  }
  skew = session.boot.now - Date.now() / 1000;
  modal = new Modal();
  const known = session.boot.people.find((person) => [person.id, person.name].some((name) => name.toLowerCase() === wanted.as.toLowerCase()));
  session.me = null;
  await actAs(known?.id ?? session.boot.people[0].id, wanted.at);
  if (wanted.thread || wanted.message) await goTo(session.at, wanted.thread, wanted.message);
  part("desk").setAttribute("aria-busy", "false");
  setInterval(tick, TICK_MS);
  document.addEventListener("keydown", keys);
  document.addEventListener("click", followed);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && everything());
  part("scrim").addEventListener("click", () => drawer(false));
  addEventListener("hashchange", async () => {
    const next = addressed();
    if (next.as && next.as !== session.me.id && personOf(next.as)) await actAs(next.as, next.at);
    else await goTo(next.at || session.at, next.thread, next.message);
  });
}

start();
