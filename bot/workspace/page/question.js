// The question before a click, where the app asks for one.

import { node } from "./dom.js";
import { plain, textObject } from "./mrkdwn.js";

/** Ask what a `confirm` object says; true when the person goes on. */
export function ask(confirm) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const style = confirm.style === "danger" ? "danger" : "primary";
    const dialog = node("dialog", { "aria-labelledby": "question-title" },
      node("form", { method: "dialog" },
        node("div", { class: "dialog-top" }, node("h2", { id: "question-title" }, plain(confirm.title.text))),
        node("div", { class: "dialog-body" }, node("div", {}, textObject(confirm.text))),
        node("div", { class: "dialog-foot" },
          node("button", { class: "button", value: "" }, plain(confirm.deny.text)),
          node("button", { class: `button ${style}`, value: "yes" }, plain(confirm.confirm.text)))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
