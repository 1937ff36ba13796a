// The middle and the thread beside it: a conversation, or App Home.

import { get, post } from "./api.js";
import { drawBlocks } from "./blocks.js";
import { Composer } from "./composer.js";
import { icon, node } from "./dom.js";
import { Hint } from "./hint.js";
import { MessageList, isLookedAt, told } from "./messages.js";
import { isDirect, session } from "./session.js";
import { toast } from "./toasts.js";

function bar(level, title, subtitle, ...buttons) {
  const titles = node("div", { class: "titles" }, node(level, {}, title), subtitle ? node("p", {}, subtitle) : null);
  return node("div", { class: "bar" }, buttons[0] ?? null, titles, buttons.slice(1));
}

const bare = (name, label, click, more = "") => node("button", { type: "button", class: `bare ${more}`.trim(), "aria-label": label, on: { click } }, icon(name));

const burger = (open) => bare("menu", "Open menu", open, "burger");

async function speak(room, text, thread = "") {
  if (text.startsWith("/")) return told(post("/ui/command", { channel: room.id, text }));
  return told(post("/ui/say", { channel: room.id, text, thread_ts: thread }));
}

/** A conversation in the middle. */
export class RoomPane {
  constructor(element, room, { openMenu, openThread }) {
    this.room = room;
    this.list = new MessageList({ label: "Messages", openThread, empty: `Nothing was said here yet. Mention @${session.boot.bot.name.toLowerCase()} to ask.` });
    const name = isDirect(room) ? room.name : `#${room.name}`;
    this.composer = new Composer({ id: "composer", placeholder: `Message ${name}`, keys: true, send: (text) => this.#send(text) });
    this.hint = new Hint(room, (text) => this.composer.type(text));
    element.replaceChildren(bar("h1", isDirect(room) ? room.name : `# ${room.name}`, subtitle(room), burger(openMenu)), this.list.element, node("div", { class: "below" }, this.hint.element, this.composer.element));
  }

  /** Show what is there now; what is looked at counts as read. */
  async refresh() {
    const { messages } = await get("/ui/messages", { channel: this.room.id });
    this.hint.show(messages);
    this.list.show(messages);
    if (isLookedAt()) await post("/ui/read", { channel: this.room.id });
  }

  async #send(text) {
    const taken = await speak(this.room, text);
    this.list.toEnd();
    return taken;
  }
}

function subtitle(room) {
  if (!isDirect(room)) return room.topic;
  return room.is_app ? "Direct messages with the app" : "Direct messages";
}

/** One thread, beside the conversation or as a sheet over it. */
export class ThreadPane {
  constructor(element, room, root, { close }) {
    this.room = room;
    this.root = root;
    this.list = new MessageList({ label: "Thread messages", root });
    this.composer = new Composer({ id: "thread-composer", placeholder: "Reply in thread", send: (text) => this.#send(text) });
    const where = isDirect(room) ? `With ${room.name}` : `# ${room.name}`;
    element.replaceChildren(bar("h2", "Thread", where, null, bare("close", "Close thread", close)), this.list.element, this.composer.element);
  }

  /** Show what is there now. */
  async refresh() {
    const { messages } = await get("/ui/messages", { channel: this.room.id, thread: this.root });
    this.list.show(messages);
  }

  async #send(text) {
    const taken = await speak(this.room, text, this.root);
    this.list.toEnd();
    return taken;
  }
}

/** The app's Home of the person that is acted as. */
export class HomePane {
  constructor(element, { openMenu }) {
    this.shown = "";
    this.values = {};
    this.body = node("div", { class: "log", tabindex: "0", role: "region", "aria-label": "Home" });
    const { me, boot } = session;
    element.replaceChildren(bar("h1", boot.bot.name, `Home for ${[me.name, me.title].filter(Boolean).join(", ")}`, burger(openMenu)), this.body);
  }

  /** Tell the app that Home is opened, and show what it shows. */
  async open() {
    this.#draw((await get("/ui/home")).view);
  }

  /** Show what the app published since. */
  async refresh() {
    this.#draw((await get("/ui/home", { quiet: "1" })).view);
  }

  #draw(view) {
    const content = JSON.stringify(view);
    if (content === this.shown) return;
    this.shown = content;
    const active = this.body.contains(document.activeElement) ? document.activeElement.dataset.action : null;
    const { scrollTop } = this.body;
    this.body.replaceChildren(view ? node("div", { class: "home blocks" }, drawBlocks(view.blocks, this.#host(view))) : node("p", { class: "quiet" }, "The app shows nothing here yet."));
    this.body.scrollTop = scrollTop;
    if (active) (this.body.querySelector(`[data-action="${CSS.escape(active)}"]`) ?? this.body).focus();
  }

  #host(view) {
    const act = async (block, element, entry) => {
      const place = { view_id: view.id, block_id: block.block_id, action_id: element.action_id };
      await told(post("/ui/act", { ...place, ...entry, values: this.values }));
    };
    return { id: "home", values: this.values, errors: {}, act };
  }
}

/** Run a refresh; what fails is said, unless the connection is down, which the strip says. */
export const refreshed = (work) => work.catch((error) => toast(error.message));
