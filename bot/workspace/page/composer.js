// The box that messages and commands are typed into, with its menu: `/` for commands, `@` for names.

import { icon, node } from "./dom.js";
import { handleOf, session } from "./session.js";

const GROWN = 200;
let made = 0;

/** A message box. `send(text)` returns true when the text was taken. */
export class Composer {
  constructor({ id, placeholder, send, keys = false }) {
    this.send = send;
    this.offers = [];
    this.at = 0;
    this.closed = false;
    this.menu = node("div", { class: "menu", id: `menu-${++made}`, role: "listbox", "aria-label": "Suggestions", hidden: true });
    this.field = node("textarea", {
      id, rows: "1", placeholder, "aria-label": placeholder, role: "combobox", "aria-expanded": "false", "aria-autocomplete": "list",
      "aria-controls": this.menu.id, on: { input: () => this.#typed(), keydown: (event) => this.#key(event), blur: () => this.#hide(), click: () => this.#offer() },
    });
    const button = node("button", { type: "button", class: "send", "aria-label": "Send", on: { click: () => this.#submit() } }, icon("send"));
    this.element = node("div", { class: "composer" }, this.menu, node("div", { class: "box" }, this.field, button), keys ? hints() : null);
  }

  /** Put `text` into the box as if typed, with the cursor behind it. */
  type(text) {
    this.field.focus();
    this.field.value = text;
    this.#typed();
  }

  #typed() {
    this.closed = false;
    this.at = 0;
    this.field.style.height = "";
    if (this.field.scrollHeight > this.field.clientHeight) this.field.style.height = `${Math.min(GROWN, this.field.scrollHeight + 2)}px`;
    this.#offer();
  }

  #offer() {
    this.offers = this.closed ? [] : offersFor(this.field.value, this.field.selectionStart);
    this.at = Math.min(this.at, Math.max(0, this.offers.length - 1));
    this.#paint();
  }

  #paint() {
    const open = this.offers.length > 0;
    this.menu.hidden = !open;
    this.field.setAttribute("aria-expanded", String(open));
    if (!open) {
      this.field.removeAttribute("aria-activedescendant");
      return;
    }
    const title = this.field.value.startsWith("/") ? "Commands" : "People";
    this.menu.setAttribute("aria-label", title);
    this.menu.replaceChildren(node("p", { role: "presentation" }, title), ...this.offers.map((offer, index) => this.#option(offer, index)));
    this.field.setAttribute("aria-activedescendant", `${this.menu.id}-${this.at}`);
    this.menu.children[this.at + 1].scrollIntoView({ block: "nearest" });
  }

  #option(offer, index) {
    const choose = (event) => {
      event.preventDefault(); // the box keeps the focus
      this.#take(offer);
    };
    return node("div", { role: "option", id: `${this.menu.id}-${index}`, "aria-selected": String(index === this.at), on: { pointerdown: choose } },
      node("b", {}, offer.shown), node("span", { class: "about" }, offer.about));
  }

  #take(offer) {
    const { value, selectionStart } = this.field;
    const before = value.slice(0, offer.from) + offer.text;
    this.field.value = before + value.slice(selectionStart);
    this.field.setSelectionRange(before.length, before.length);
    this.#typed();
    this.#hide();
  }

  #hide() {
    this.offers = [];
    this.#paint();
  }

  #key(event) {
    if (event.isComposing) return;
    const { key } = event;
    const open = this.offers.length > 0;
    if (open && (key === "ArrowDown" || key === "ArrowUp")) this.#move(key === "ArrowDown" ? 1 : -1);
    else if (open && key === "Escape") {
      this.closed = true;
      this.#hide();
      event.stopPropagation();
    } else if (open && (key === "Tab" || (key === "Enter" && this.#isPartial())) && !event.shiftKey) this.#take(this.offers[this.at]);
    else if (key === "Enter" && !event.shiftKey) this.#submit();
    else return;
    event.preventDefault();
  }

  /** Tell whether less is typed than the chosen offer puts there. */
  #isPartial() {
    const { from, text } = this.offers[this.at];
    return this.field.value.slice(from).trim().length < text.trim().length;
  }

  #move(step) {
    this.at = (this.at + step + this.offers.length) % this.offers.length;
    this.#paint();
  }

  async #submit() {
    const text = this.field.value.trim();
    if (!text) return;
    this.field.value = "";
    this.#typed();
    if (!(await this.send(text)) && !this.field.value) {
      this.field.value = text;
      this.field.style.height = "";
    }
  }
}

const hints = () => node("div", { class: "keys", "aria-hidden": "true" },
  node("span", {}, node("kbd", {}, "Enter"), " sends"), node("span", {}, node("kbd", {}, "/"), " opens commands"),
  node("span", {}, node("kbd", {}, "@"), " names someone"), node("span", {}, node("kbd", {}, "Esc"), " closes"));

function offersFor(text, cursor) {
  if (text.startsWith("/")) return commands(text);
  const [, word] = /(?:^|\s)@([\w.-]*)$/.exec(text.slice(0, cursor)) ?? [];
  return word === undefined ? [] : names(word, cursor - word.length - 1);
}

function commands(text) {
  const typed = text.toLowerCase();
  return session.boot.commands
    .map((command) => ({ from: 0, text: fixedPart(command.usage), shown: command.usage, about: command.description }))
    .filter((offer) => offer.text.toLowerCase().startsWith(typed) && offer.text.trim() !== typed.trim());
}

/** Return the words of a usage up to the first that stands for something else: `/qm why REQ-1040` gives `/qm why `. */
function fixedPart(usage) {
  const [command, ...rest] = usage.split(" ");
  const end = rest.findIndex((word) => !/^[a-z][a-z-]*$/.test(word));
  return `${[command, ...(end < 0 ? rest : rest.slice(0, end))].join(" ")} `;
}

function names(word, from) {
  const { boot, me } = session;
  const everybody = [{ ...boot.bot, title: "App" }, ...boot.people.filter((person) => person.id !== me.id)];
  return everybody
    .map((each) => ({ from, text: `@${handleOf(each.name)} `, shown: `@${handleOf(each.name)}`, about: [each.name, each.title].filter(Boolean).join(", ") }))
    .filter((offer) => offer.shown.slice(1).startsWith(word.toLowerCase()));
}
