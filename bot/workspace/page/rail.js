// The rail: act as, channels, direct messages, the app's Home. An entry keeps its button for as long as it is there:
// a press that goes on while something is told anew still counts.

import { arrange, icon, node, spoken } from "./dom.js";
import { face } from "./face.js";
import { session } from "./session.js";

const items = new Map(); // from an entry's key to its place in the list, which holds its button
const groups = new Map(); // from a group's title to its heading and its list

/**
 * Draw what is there now.
 * @param {HTMLElement} rail
 * @param {{actAs: (user: string) => void, goTo: (at: string) => void}} go
 */
export function drawRail(rail, go) {
  const { boot, rooms, at } = session;
  if (!rail.children.length) rail.append(node("div", { class: "brand" }, face(boot.bot.id, { small: true }), node("span", {}, boot.workspace)));
  arrange(rail, [
    rail.firstElementChild,
    ...group("Act as", boot.people.map((person) => personEntry(person, go))),
    ...group("Channels", rooms.channels.map((room) => entry({
      key: room.id, current: at === room.id, unread: room.unread, badge: room.calls, name: room.name,
      sign: node("span", { class: "sign" }, icon(room.is_private ? "lock" : "hash")), on: () => go.goTo(room.id),
    }))),
    ...group("Direct messages", rooms.dms.map((room) => entry({
      key: room.id, current: at === room.id, unread: room.unread, badge: room.unread, name: room.name,
      sign: face(room.with, { small: true }), on: () => go.goTo(room.id),
    }))),
    ...group("App", [entry({ key: "home", current: at === "home", name: "Home", sign: node("span", { class: "sign" }, icon("home")), on: () => go.goTo("home") })]),
  ]);
}

function group(title, entries) {
  if (!groups.has(title)) {
    const id = `rail-${title.toLowerCase().replaceAll(" ", "-")}`;
    groups.set(title, [node("h2", { id }, title), node("ul", { "aria-labelledby": id })]);
  }
  const [heading, list] = groups.get(title);
  arrange(list, entries);
  return [heading, list];
}

function personEntry(person, go) {
  const current = person.id === session.me?.id;
  const unread = current ? 0 : session.rooms.unread_by_person[person.id];
  return entry({
    key: person.id, current, badge: unread, name: person.name, title: person.title, sign: face(person.id, { small: true }),
    note: current ? node("span", { class: "you" }, "You") : null, on: () => go.actAs(person.id),
  });
}

function entry({ key, current, unread = 0, badge = 0, name, title = "", sign, note = null, on }) {
  const who = node("span", { class: "who" }, node("span", {}, name), title ? node("span", { class: "title" }, title) : null);
  const count = badge ? node("span", { class: "badge" }, String(badge), spoken(" unread")) : unread ? spoken("unread") : null;
  if (!items.has(key)) items.set(key, node("li", {}, node("button", { type: "button", "data-key": key, on: { click: on } })));
  const button = items.get(key).firstElementChild;
  button.className = unread ? "fresh" : "";
  button.setAttribute("aria-current", String(current));
  button.title = title ? `${name}, ${title}` : name;
  button.replaceChildren(...[sign, who, note, count].filter(Boolean));
  return items.get(key);
}
