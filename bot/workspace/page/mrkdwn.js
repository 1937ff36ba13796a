// Slack's mrkdwn as DOM nodes. Every piece of text ends in a text node; nothing is ever parsed as markup.

import { node } from "./dom.js";
import { EMOJI } from "./emoji.js";
import { nameOf, roomAt } from "./session.js";
import { sign } from "./signs.js";
import { fill } from "./times.js";

// A mark opens after anything but a letter and closes before anything but one, so that claims_2024 stays whole.
const INLINE = new RegExp(
  [
    "`([^`\\n]+)`",
    "<([^<>|\\s][^<>|]*)(?:\\|([^<>]*))?>",
    "(?<![\\w*])\\*(\\S|\\S[^\\n]*?\\S)\\*(?![\\w*])",
    "(?<!\\w)_(\\S|\\S[^\\n]*?\\S)_(?!\\w)",
    "(?<!\\w)~(\\S|\\S[^\\n]*?\\S)~(?!\\w)",
    ":([a-z0-9_+'-]+):",
    "(https?:\\/\\/[^\\s<>|*`]*[^\\s<>|*`.,;:!?)\"'])",
  ].join("|"),
  "g",
);
const QUOTE = /^(?:>|&gt;) ?/;

/** Return `&amp;`, `&lt;` and `&gt;` as the characters they stand for. */
export const unescape = (text) => text.replace(/&(lt|gt|amp);/g, (_, name) => ({ lt: "<", gt: ">", amp: "&" })[name]);

/** Return text written in mrkdwn, drawn. */
export function draw(text) {
  const drawn = document.createDocumentFragment();
  text.split(/```\n?([\s\S]*?)\n?```\n?/).forEach((piece, index) => {
    if (index % 2) drawn.append(node("pre", {}, unescape(piece)));
    else if (piece) drawn.append(...paragraphs(piece));
  });
  return drawn;
}

/** Return plain text with its emoji drawn. */
export function plain(text) {
  const drawn = document.createDocumentFragment();
  text.split(/:([a-z0-9_+'-]+):/).forEach((piece, index) => {
    if (index % 2) drawn.append(emoji(piece));
    else if (piece) drawn.append(piece);
  });
  return drawn;
}

/** Return a text object of Block Kit, drawn. */
export const textObject = (object) => (object.type === "mrkdwn" ? draw(object.text) : plain(object.text));

/** Return what a text in mrkdwn says, without its marks: for names and labels. */
export const words = (text) => draw(text).textContent.trim();

function paragraphs(text) {
  const parts = [];
  let lines = [];
  let quoted = false;
  const end = () => {
    if (lines.length) parts.push(...(quoted ? [node("blockquote", {}, broken(lines))] : broken(lines)));
    lines = [];
  };
  for (const line of text.replace(/\n$/, "").split("\n")) {
    if (QUOTE.test(line) !== quoted) {
      end();
      quoted = !quoted;
    }
    lines.push(line.replace(quoted ? QUOTE : /^$/, ""));
  }
  end();
  return parts;
}

const broken = (lines) => lines.flatMap((line, index) => (index ? [node("br"), ...inline(line)] : inline(line)));

function inline(text) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > at) parts.push(unescape(text.slice(at, match.index)));
    parts.push(marked(match));
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push(unescape(text.slice(at)));
  return parts;
}

function marked([whole, code, target, label, bold, italic, struck, shortcode, address]) {
  if (code !== undefined) return node("code", {}, unescape(code));
  if (target !== undefined) return reference(whole, target, label);
  if (bold !== undefined) return node("strong", {}, inline(bold));
  if (italic !== undefined) return node("em", {}, inline(italic));
  if (struck !== undefined) return node("s", {}, inline(struck));
  if (address !== undefined) return link(address, address);
  return emoji(shortcode);
}

function link(target, label) {
  return node("a", { href: unescape(target), target: "_blank", rel: "noopener noreferrer" }, unescape(label));
}

function emoji(shortcode) {
  const character = EMOJI[shortcode];
  if (!character) return `:${shortcode}:`;
  const drawn = sign(shortcode);
  const glyph = drawn ? node("span", { class: "glyph" }, character) : character; // what a copied line carries
  return node("span", { class: "emoji", "aria-hidden": "true" }, drawn, glyph);
}

function reference(whole, target, label) {
  const [kind, rest] = [target[0], target.slice(1)];
  if (kind === "@") return node("span", { class: "mention" }, `@${nameOf(rest)}`);
  if (kind === "#") return room(rest, label);
  if (kind === "!") return special(rest, label) ?? unescape(whole);
  if (!/^(https?:|mailto:)/.test(target)) return unescape(whole);
  return link(target, label ?? target);
}

function room(id, label) {
  const known = roomAt(id);
  const name = `#${label || known?.name || id}`;
  return known ? node("a", { class: "mention", href: `#at=${known.id}` }, name) : node("span", { class: "mention" }, name);
}

function special(rest, label) {
  if (/^(here|channel|everyone)$/.test(rest)) return node("span", { class: "mention" }, `@${rest}`);
  if (rest.startsWith("subteam^")) return node("span", { class: "mention" }, label || "@group");
  const [, seconds, pattern] = rest.split("^");
  if (!rest.startsWith("date^")) return null;
  return fill(pattern ?? "", Number(seconds)) ?? unescape(label ?? "");
}
