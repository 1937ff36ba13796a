// The workspace's own voice. What the app says is always a message.

import { icon, node } from "./dom.js";

const SHOWN_MS = 6000;

/** Show a sentence for a few seconds; it stays while the pointer or the focus is on it. */
export function toast(sentence) {
  const gone = () => shown.remove();
  const shown = node("div", { class: "toast" },
    node("span", {}, sentence),
    node("button", { type: "button", "aria-label": "Dismiss", on: { click: gone } }, icon("close")));
  let timer = setTimeout(gone, SHOWN_MS);
  const stay = () => clearTimeout(timer);
  const leave = () => { timer = setTimeout(gone, SHOWN_MS); };
  for (const [event, act] of [["pointerenter", stay], ["focusin", stay], ["pointerleave", leave], ["focusout", leave]]) shown.addEventListener(event, act);
  const box = document.getElementById("toasts");
  box.append(shown);
  while (box.children.length > 3) box.firstChild.remove();
}
