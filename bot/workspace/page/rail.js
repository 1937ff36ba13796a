// The rail: act as, channels, direct messages, the app's Home.

import { icon, node, spoken } from "./dom.js";
import { face } from "./face.js";
import { session } from "./session.js";

/**
 * Draw the rail anew; the focus stays on the same entry.
 * @param {HTMLElement} rail
 * @param {{actAs: (user: string) => void, goTo: (at: string) => void}} go
 */
export function drawRail(rail, go) {
  const focused = rail.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const { boot, rooms, at } = session;
  rail.replaceChildren(
    node("div", { class: "brand" }, face(boot.bot.id, { small: true }), node("span", {}, boot.workspace)),
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
  );
  if (focused) rail.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function group(title, entries) {
  const id = `rail-${title.toLowerCase().replaceAll(" ", "-")}`;
  return [node("h2", { id }, title), node("ul", { "aria-labelledby": id }, entries.map((each) => node("li", {}, each)))];
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
  const attributes = { type: "button", class: unread ? "fresh" : null, "aria-current": String(current), "data-key": key, title: title ? `${name}, ${title}` : name };
  return node("button", { ...attributes, on: { click: on } }, sign, who, note, count);
}
