// A list of messages that changes in place: what stays the same keeps its nodes, and so its focus and its choices.

import { download, post } from "./api.js";
import { drawBlocks, isCard } from "./blocks.js";
import { arrange, icon, node } from "./dom.js";
import { face } from "./face.js";
import { draw, plain, words } from "./mrkdwn.js";
import { session } from "./session.js";
import { clock, day } from "./times.js";
import { toast } from "./toasts.js";

const NEAR_END = 80;

/** The messages of a conversation, or of one thread. */
export class MessageList {
  /**
   * @param {{label: string, root?: string, empty?: string, openThread?: (ts: string) => void}} options
   *   `root` is the time stamp of the thread's first message when this is a thread.
   */
  constructor({ label, root = "", empty = "", openThread = null }) {
    this.root = root;
    this.empty = empty;
    this.openThread = openThread;
    this.drawn = new Map();
    this.element = node("div", { class: "log", role: "log", "aria-live": "polite", "aria-label": label, tabindex: "0" });
  }

  /** Show exactly these, oldest first. At the end of the list, the end stays in sight. */
  show(messages) {
    const atEnd = this.isAtEnd();
    const held = this.#focus();
    const kept = new Map();
    const wanted = [];
    let today = "";
    for (const message of messages) {
      const date = day(Number(message.ts));
      if (date !== today) wanted.push(this.#keep(kept, `day ${date}`, date, () => node("div", { class: "day" }, date)));
      today = date;
      wanted.push(this.#keep(kept, message.ts, JSON.stringify(message), () => this.#message(message)));
    }
    if (!messages.length && this.empty) wanted.push(this.#keep(kept, "empty", this.empty, () => node("p", { class: "quiet" }, this.empty)));
    this.drawn = kept;
    arrange(this.element, wanted);
    this.#refocus(held);
    if (atEnd) this.toEnd();
  }

  /** Tell whether the newest message is in sight. */
  isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  /** Bring the newest message into sight. */
  toEnd() {
    this.element.scrollTop = this.element.scrollHeight;
  }

  /** Bring one message into sight and mark it. */
  mark(ts) {
    const found = this.drawn.get(ts)?.element;
    found?.classList.add("marked");
    found?.scrollIntoView({ block: "center" });
  }

  #keep(kept, key, content, make) {
    const before = this.drawn.get(key);
    const entry = before?.content === content ? before : { content, element: make() };
    kept.set(key, entry);
    return entry.element;
  }

  #focus() {
    const active = document.activeElement;
    const message = this.element.contains(active) ? active.closest(".message") : null;
    return message ? { active, ts: message.dataset.ts, action: active.dataset.action } : null;
  }

  #refocus(held) {
    if (!held || document.contains(held.active)) return;
    const message = this.element.querySelector(`.message[data-ts="${held.ts}"]`);
    const same = held.action && message?.querySelector(`[data-action="${CSS.escape(held.action)}"]`);
    (same || message || this.element).focus();
  }

  #message(message) {
    const card = isCard(message.blocks);
    const classes = ["message", card && "with-card", message.ts === this.root && "root", message.text === "This message was deleted." && !message.blocks.length && "gone"];
    const body = node("div", {}, message.ephemeral ? whisper() : null, this.#by(message), content(message, card, this.#host(message)), reactions(message), message.files.map(file), this.#replies(message));
    const label = `${message.name}, ${clock(Number(message.ts))}: ${words(message.text).slice(0, 300)}`;
    return node("article", { class: classes.filter(Boolean).join(" "), "data-ts": message.ts, tabindex: "-1", "aria-label": label }, face(message.user), body, this.#replyButton(message));
  }

  #by(message) {
    return node("div", { class: "by" }, node("b", {}, message.name), message.is_bot ? node("span", { class: "tag" }, "APP") : null, node("time", {}, clock(Number(message.ts))));
  }

  #replies(message) {
    if (!this.openThread || !message.reply_count) return null;
    const count = message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`;
    const last = message.latest_reply ? node("span", {}, `Last at ${clock(Number(message.latest_reply))}`) : null;
    return node("button", { type: "button", class: "replies", "data-action": "replies", on: { click: () => this.openThread(message.ts) } }, node("b", {}, count), last);
  }

  #replyButton(message) {
    if (!this.openThread || message.ephemeral || message.reply_count) return null;
    const open = () => this.openThread(message.thread_ts ?? message.ts);
    return node("button", { type: "button", class: "reply", "data-action": "reply", on: { click: open } }, icon("reply"), node("span", {}, "Reply in thread"));
  }

  #host(message) {
    const values = {};
    const act = async (block, element, entry) => {
      const place = { channel: message.channel, ts: message.ts, block_id: block.block_id, action_id: element.action_id };
      await told(post("/ui/act", { ...place, ...entry, values }));
    };
    return { id: `m${message.ts.replace(".", "-")}${this.root && "t"}`, values, errors: {}, act };
  }
}

/** Wait for what was done; when it did not work, say so. */
export async function told(answer) {
  try {
    const { ok, error } = await answer;
    if (!ok && error) toast(error);
    return ok;
  } catch (error) {
    toast(error.message);
    return false;
  }
}

const whisper = () => node("div", { class: "whisper" }, icon("eye"), "Only visible to you");

function content(message, card, host) {
  if (message.blocks.length) return node("div", { class: card ? "card" : "lines" }, drawBlocks(message.blocks, host));
  const edited = message.edited && !message.is_bot ? node("span", { class: "edited" }, " (edited)") : null;
  return message.text ? node("div", { class: "said" }, draw(message.text), edited) : null;
}

function reactions(message) {
  if (!message.reactions.length) return null;
  return node("div", { class: "reactions" }, message.reactions.map((each) => node("span", {}, plain(`:${each.name}:`), ` ${each.count}`)));
}

function file(each) {
  const fetched = () => download(each).catch((error) => toast(error.message));
  return node("button", { type: "button", class: "file", "data-action": each.id, on: { click: fetched } }, icon("file"),
    node("span", {}, node("span", { class: "name" }, each.name), node("span", { class: "size" }, `${size(each.size)}, download`)));
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** Tell whether the page is looked at, so that what is shown counts as read. */
export const isLookedAt = () => document.visibilityState === "visible" && session.me !== null;
