// What the open page knows: who acts, where they are, and who everybody is.

export const session = {
  boot: null, // what does not change while the page is open
  rooms: { channels: [], dms: [], unread_by_person: {} },
  me: null, // the person that is acted as
  at: "", // a room's id, or "home"
  thread: "", // the root's time stamp of the open thread, or ""
};

/** Return the name of a user, whoever that is. */
export const nameOf = (user) => session.boot.names[user] ?? user;

/** Return the person, when it is one that can be acted as. */
export const personOf = (user) => session.boot.people.find((person) => person.id === user);

/** Return every conversation of the person that is acted as. */
export const everyRoom = () => [...session.rooms.channels, ...session.rooms.dms];

/** Return the conversation with this id or name, or `dm` for the one with the app. */
export function roomAt(name) {
  if (name === "dm") return session.rooms.dms.find((room) => room.is_app);
  const wanted = name.replace(/^#/, "");
  return everyRoom().find((room) => [room.id, room.name, room.with].includes(wanted));
}

/** Tell whether a room is a direct conversation. */
export const isDirect = (room) => "with" in room;

/** Return what a person types after an @ to mean this name. */
export const handleOf = (name) => name.toLowerCase().split(/\s+/).join(".");
