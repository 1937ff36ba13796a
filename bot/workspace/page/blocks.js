// Block Kit's blocks as they are drawn. What Slack could not draw is not drawn here either.

import { icon, node } from "./dom.js";
import { control, isGroup } from "./elements.js";
import { draw, plain, textObject } from "./mrkdwn.js";

const BLOCKS = {
  header: (block) => node("h3", { class: "b-header" }, plain(block.text.text)),
  section,
  context: (block) => node("div", { class: "b-context" }, block.elements.map((each) => node("span", {}, each.type === "image" ? each.alt_text : textObject(each)))),
  actions: (block, host) => node("div", { class: "b-actions" }, block.elements.map((element) => control(element, block, host))),
  divider: () => node("hr", { class: "b-divider" }),
  input,
  image: (block) => node("p", { class: "b-other" }, `Image: ${block.alt_text}`),
  markdown: (block) => node("div", { class: "b-other" }, block.text),
  rich_text: (block) => node("div", { class: "b-other" }, spelled(block)),
};

/** Return blocks, drawn, for a `host` as elements.js describes it. */
export function drawBlocks(blocks, host) {
  return blocks.map((block) => BLOCKS[block.type]?.(block, host) ?? node("p", { class: "b-other" }, `(${block.type})`));
}

/** Tell whether blocks make a card, with an edge around it, or are lines like any other. */
export function isCard(blocks) {
  return blocks.some((block) => ["header", "actions", "input"].includes(block.type) || block.fields);
}

function section(block, host) {
  const kind = block.text?.type === "plain_text" ? { class: "b-plain" } : {};
  const text = block.text ? node("div", kind, textObject(block.text)) : null;
  const fields = block.fields ? node("div", { class: "b-fields" }, block.fields.map((field) => node("div", {}, textObject(field)))) : null;
  if (!block.accessory) return text && fields ? node("div", { class: "blocks" }, text, fields) : (fields ?? node("div", { class: "b-section" }, node("div", { class: "body" }, text)));
  return node("div", { class: "b-section" }, node("div", { class: "body" }, text, fields), node("div", { class: "accessory" }, control(block.accessory, block, host)));
}

function input(block, host) {
  const id = `${host.id}-${block.block_id}`;
  const wrong = host.errors[block.block_id];
  const described = [wrong && `${id}-wrong`, block.hint && `${id}-hint`].filter(Boolean).join(" ");
  const attributes = { id, "aria-describedby": described || null, "aria-invalid": wrong ? "true" : null, "aria-required": block.optional ? null : "true" };
  const name = [plain(block.label.text), block.optional ? node("span", { class: "optional" }, " (optional)") : null];
  const rest = [
    control(block.element, block, host, attributes),
    wrong ? node("span", { class: "wrong", id: `${id}-wrong` }, icon("alert"), wrong) : null,
    block.hint ? node("span", { class: "hint", id: `${id}-hint` }, plain(block.hint.text)) : null,
  ];
  if (isGroup(block.element)) return node("fieldset", { class: "field" }, node("legend", {}, name), rest);
  return node("div", { class: "field" }, node("label", { for: id }, name), rest);
}

/** Return the words of a rich text, whatever it is nested in. */
function spelled(part) {
  if (typeof part.text === "string") return part.text;
  if (part.type === "user") return draw(`<@${part.user_id}>`);
  if (part.type === "link") return draw(`<${part.url}>`);
  if (part.type === "emoji") return plain(`:${part.name}:`);
  return (part.elements ?? []).map(spelled);
}
