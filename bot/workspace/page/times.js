// Moments as people read them, in the time zone of the person that is acted as.

import { session } from "./session.js";

const zone = () => session.me?.tz ?? "UTC";
const format = (seconds, options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone(), ...options }).format(seconds * 1000);

/** 14:02 */
export const clock = (seconds) => format(seconds, { hour: "2-digit", minute: "2-digit" });

/** Monday 23 November */
export const day = (seconds) => format(seconds, { weekday: "long", day: "numeric", month: "long" }).replace(",", "");

/** Mon 23 Nov 2026, 14:12 CET */
export function moment(seconds) {
  const date = format(seconds, { weekday: "short", day: "numeric", month: "short", year: "numeric" }).replace(",", "");
  return `${date}, ${clock(seconds)} ${zoneName(seconds)}`;
}

/** CET */
export function zoneName(seconds) {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZone: zone(), timeZoneName: "short" }).formatToParts(seconds * 1000);
  return parts.find((part) => part.type === "timeZoneName").value;
}

/** Return a moment as `<input type="datetime-local">` wants it. */
export function toLocal(seconds) {
  return new Date((seconds + offset(seconds)) * 1000).toISOString().slice(0, 16);
}

/** Return the moment that such an input means, in whole seconds; null when it is empty. */
export function fromLocal(text) {
  if (!text) return null;
  const naive = Date.parse(`${text.slice(0, 16)}:00Z`) / 1000;
  return naive - offset(naive - offset(naive));
}

function offset(seconds) {
  const options = { timeZone: zone(), hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const parts = new Intl.DateTimeFormat("en-US", options).formatToParts(seconds * 1000);
  const { year, month, day: date, hour, minute, second } = Object.fromEntries(parts.map((part) => [part.type, Number(part.value)]));
  return Date.UTC(year, month - 1, date, hour, minute, second) / 1000 - Math.floor(seconds);
}

const STYLES = {
  date_num: { year: "numeric", month: "2-digit", day: "2-digit" },
  date: { day: "numeric", month: "long", year: "numeric" },
  date_short: { weekday: "short", day: "numeric", month: "short" },
  date_long: { weekday: "long", day: "numeric", month: "long", year: "numeric" },
  time: { hour: "2-digit", minute: "2-digit" },
  time_secs: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
};

/** Fill a pattern such as `{date_short} at {time}`; null when it has a word nobody knows. */
export function fill(pattern, seconds) {
  let known = true;
  const filled = pattern.replace(/\{(\w+)\}/g, (_, word) => {
    const style = STYLES[word.replace("_pretty", "")];
    known &&= style !== undefined;
    return style ? format(seconds, style) : "";
  });
  return known ? filled : null;
}
