// Block Kit's interactive elements as controls of the browser.
//
// A `host` is the message or view they stand in: `id` makes DOM ids its own, `values` holds what was filled in by
// block id and action id, `errors` sentences by block id, and `act(block, element, entry)` tells the app.

import { node, spoken } from "./dom.js";
import { EMOJI } from "./emoji.js";
import { textObject } from "./mrkdwn.js";
import { ask } from "./question.js";
import { session } from "./session.js";
import { fromLocal, toLocal, zoneName } from "./times.js";

/** Return a plain text object as a string, for where no nodes fit. */
export const label = (object) => (object?.text ?? "").replace(/:([a-z0-9_+'-]+):/g, (whole, name) => EMOJI[name] ?? whole);

/** Return what an element holds: what was filled in, or else what the app put there. */
function held(host, block, element, key, initial) {
  return host.values[block.block_id]?.[element.action_id]?.[key] ?? element[initial] ?? null;
}

/** Keep what was filled in, so that it is there when the view is drawn again and when it is submitted. */
function keep(host, block, element, entry) {
  (host.values[block.block_id] ??= {})[element.action_id] = { type: element.type, ...entry };
}

/** Keep it, and tell the app where it wants to know at once. */
async function changed(host, block, element, entry) {
  keep(host, block, element, entry);
  if (block.type === "input" && !block.dispatch_action) return;
  if (await agreed(element)) await host.act(block, element, entry);
}

const agreed = async (element) => !element.confirm || ask(element.confirm);

function button(element, block, host) {
  const press = async (event) => {
    if (event.currentTarget.getAttribute("aria-disabled") === "true") return;
    const pressed = event.currentTarget;
    if (!element.url) event.preventDefault();
    if (!(await agreed(element))) return;
    pressed.setAttribute("aria-disabled", "true");
    await host.act(block, element, {});
    pressed.removeAttribute("aria-disabled");
  };
  const named = { class: `button ${element.style ?? ""}`.trim(), "data-action": element.action_id, "aria-label": element.accessibility_label, on: { click: press } };
  const face = textObject(element.text);
  if (!element.url) return node("button", { type: "button", ...named }, face);
  return node("a", { href: /^https?:/.test(element.url) ? element.url : null, target: "_blank", rel: "noopener noreferrer", ...named }, face);
}

function options(list, chosen) {
  return list.map((option) => node("option", { value: option.value, selected: option.value === chosen }, label(option.text)));
}

function every(element) {
  return [...(element.options ?? []), ...(element.option_groups ?? []).flatMap((group) => group.options)];
}

function menu(element, list, chosen, attributes, change, empty) {
  const first = node("option", { value: "", disabled: true, hidden: true, selected: !chosen }, empty);
  const groups = (element.option_groups ?? []).map((group) => node("optgroup", { label: label(group.label) }, options(group.options, chosen)));
  const select = node("select", { class: "choose", "data-action": element.action_id, ...attributes, on: { change } }, first, options(list, chosen), groups);
  return node("span", { class: "chooser" }, select);
}

function staticSelect(element, block, host, attributes) {
  const chosen = held(host, block, element, "selected_option", "initial_option");
  const change = (event) => {
    const option = every(element).find((each) => each.value === event.target.value);
    return changed(host, block, element, { selected_option: option });
  };
  return menu(element, element.options ?? [], chosen?.value, attributes, change, label(element.placeholder) || "Choose");
}

function overflow(element, block, host, attributes) {
  const change = async (event) => {
    const option = every(element).find((each) => each.value === event.target.value);
    event.target.value = "";
    await changed(host, block, element, { selected_option: option });
  };
  return menu(element, element.options, "", { "aria-label": "More", ...attributes }, change, "⋯");
}

/** Return a menu of people or conversations. */
function selectOf(key, initial, list, empty) {
  return (element, block, host, attributes) => {
    const change = (event) => changed(host, block, element, { [key]: event.target.value });
    const offered = list().map(([value, text]) => ({ value, text: { text } }));
    return menu(element, offered, held(host, block, element, key, initial), attributes, change, label(element.placeholder) || empty);
  };
}

const people = () => session.boot.people.map((person) => [person.id, person.name]);
const channels = () => session.rooms.channels.map((room) => [room.id, `#${room.name}`]);

/** Return boxes to tick: one of them for radio buttons, any of them otherwise. */
function ticks(kind, key, initial) {
  return (element, block, host, attributes) => {
    const given = held(host, block, element, key, initial);
    const chosen = new Set((Array.isArray(given) ? given : [given]).filter(Boolean).map((option) => option.value));
    const group = `${host.id}-${block.block_id}-${element.action_id}`;
    const change = (event) => {
      const ticked = [...event.currentTarget.querySelectorAll("input:checked")].map((box) => every(element)[Number(box.value)]);
      return changed(host, block, element, { [key]: kind === "radio" ? ticked[0] : ticked });
    };
    const boxes = every(element).map((option, index) =>
      node("label", {}, node("input", { type: kind, name: group, value: index, checked: chosen.has(option.value) }), node("span", {}, textObject(option.text))));
    return node("div", { class: "ticks", role: kind === "radio" ? "radiogroup" : "group", "data-action": element.action_id, ...attributes, on: { change } }, boxes);
  };
}

/** Return an input of the browser for a date or a time of day. */
function picker(type, key, initial) {
  return (element, block, host, attributes) => {
    const change = (event) => changed(host, block, element, { [key]: event.target.value || null });
    const value = held(host, block, element, key, initial);
    return node("input", { class: "choose", type, value, "data-action": element.action_id, ...attributes, on: { change } });
  };
}

function datetime(element, block, host, attributes) {
  const given = held(host, block, element, "selected_date_time", "initial_date_time");
  const change = (event) => changed(host, block, element, { selected_date_time: fromLocal(event.target.value) });
  const value = given === null ? null : toLocal(given);
  const input = node("input", { class: "choose", type: "datetime-local", value, "data-action": element.action_id, ...attributes, on: { change } });
  return node("span", { class: "zone" }, input, spoken("time zone "), zoneName(given ?? session.boot.now));
}

/** Return an input for text that is typed. It tells the app on Enter, or on each pause, where the app asks for it. */
function typed(attributesOf) {
  return (element, block, host, attributes) => {
    const asked = element.dispatch_action_config?.trigger_actions_on ?? ["on_enter_pressed"];
    const tag = element.multiline ? "textarea" : "input";
    const value = held(host, block, element, "value", "initial_value") ?? "";
    let pause = 0;
    const input = (event) => {
      keep(host, block, element, { value: event.target.value || null });
      clearTimeout(pause);
      if (block.dispatch_action && asked.includes("on_character_entered")) pause = setTimeout(() => host.act(block, element, { value: event.target.value }), 350);
    };
    const keydown = (event) => {
      if (event.key !== "Enter" || element.multiline || !block.dispatch_action || !asked.includes("on_enter_pressed")) return;
      event.preventDefault();
      host.act(block, element, { value: event.target.value });
    };
    const field = node(tag, { placeholder: label(element.placeholder) || null, autocomplete: "off", "data-action": element.action_id, ...attributesOf(element), ...attributes, on: { input, keydown } });
    field.value = value;
    return field;
  };
}

const lengths = (element) => ({ minlength: element.min_length, maxlength: element.max_length });
const number = (element) => ({ inputmode: element.is_decimal_allowed ? "decimal" : "numeric" });

const CONTROLS = {
  button,
  overflow,
  static_select: staticSelect,
  users_select: selectOf("selected_user", "initial_user", people, "Choose a person"),
  channels_select: selectOf("selected_channel", "initial_channel", channels, "Choose a channel"),
  conversations_select: selectOf("selected_conversation", "initial_conversation", channels, "Choose a conversation"),
  multi_static_select: ticks("checkbox", "selected_options", "initial_options"),
  checkboxes: ticks("checkbox", "selected_options", "initial_options"),
  radio_buttons: ticks("radio", "selected_option", "initial_option"),
  datepicker: picker("date", "selected_date", "initial_date"),
  timepicker: picker("time", "selected_time", "initial_time"),
  datetimepicker: datetime,
  plain_text_input: typed(lengths),
  email_text_input: typed(() => ({ type: "email" })),
  url_text_input: typed(() => ({ type: "url" })),
  number_input: typed(number),
};
const NAMED_BY_PLACEHOLDER = new Set(["static_select", "users_select", "channels_select", "conversations_select"]);

/** Return an element as a control; `attributes` tie it to its label, hint and error. */
export function control(element, block, host, attributes = {}) {
  const draw = CONTROLS[element.type];
  if (!draw) return node("span", { class: "b-other" }, element.alt_text ?? `(${element.type})`);
  const naming = attributes.id || !NAMED_BY_PLACEHOLDER.has(element.type) ? {} : { "aria-label": label(element.placeholder) || "Choose" };
  return draw(element, block, host, { ...naming, ...attributes });
}

/** Tell whether an element is a group of boxes, which a legend names instead of a label. */
export const isGroup = (element) => ["multi_static_select", "checkboxes", "radio_buttons"].includes(element.type);
