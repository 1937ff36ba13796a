// The small square that stands for a person or for the app.

import { icon, node } from "./dom.js";
import { nameOf, personOf, session } from "./session.js";

/** Return the square of a user; the name always stands beside it, so screen readers pass over it. */
export function face(user, { small = false } = {}) {
  const size = small ? " small" : "";
  if (user === session.boot.bot.id) return node("span", { class: `face app${size}`, "aria-hidden": "true" }, icon("app"));
  const person = personOf(user);
  const square = node("span", { class: `face${size}`, "aria-hidden": "true" }, person?.initial ?? nameOf(user).slice(0, 1).toUpperCase());
  if (person) square.style.background = person.color;
  return square;
}
