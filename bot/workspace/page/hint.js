// What a person may write first in a channel, until they have written something there.

import { node } from "./dom.js";
import { handleOf, isDirect, session } from "./session.js";

const ABOUT = [
  [/gpu/i, "4 h100 for 3 hours so I can retrain churn"],
  [/deploy/i, "deploy fraud-detector 3.2.1 to production to cut false alarms"],
  [/data/i, "read claims_2024 for 5 days to check label quality"],
];

/** Sentences to start from: a click puts one into the message box and sends nothing. */
export class Hint {
  /** @param {(text: string) => void} fill */
  constructor(room, fill) {
    this.room = room;
    const chips = sentences(room).map((text) => node("li", {}, node("button", { type: "button", class: "example", on: { click: () => fill(text) } }, text)));
    this.element = node("div", { class: "examples", hidden: true }, node("p", { id: "examples-title" }, "For example"), node("ul", { "aria-labelledby": "examples-title" }, chips));
  }

  /** Stand there while the person that is acted as has said nothing among `messages`. */
  show(messages) {
    this.element.hidden = isDirect(this.room) || messages.some((message) => message.user === session.me.id);
  }
}

/** Return what fits the channel; where it says nothing of itself, one of each kind. */
function sentences(room) {
  const bot = `@${handleOf(session.boot.bot.name)}`;
  const fitting = ABOUT.filter(([word]) => word.test(`${room.name} ${room.topic ?? ""}`));
  return (fitting.length ? fitting : ABOUT).map(([, text]) => `${bot} ${text}`);
}
