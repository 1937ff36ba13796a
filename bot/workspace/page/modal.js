// The modal on a person's screen: drawn from its view, drawn again when the app changes it, submitted, closed.

import { get, post } from "./api.js";
import { drawBlocks } from "./blocks.js";
import { icon, node } from "./dom.js";
import { face } from "./face.js";
import { told } from "./messages.js";
import { plain } from "./mrkdwn.js";
import { session } from "./session.js";

/** The dialog that shows the top modal of the person that is acted as, while there is one. */
export class Modal {
  constructor() {
    this.view = null;
    this.values = {};
    this.trouble = "";
    this.before = null;
    this.dialog = node("dialog", { id: "modal", "aria-labelledby": "modal-title", on: { cancel: (event) => this.#cancel(event), keydown: (event) => this.#wrap(event) } });
    document.body.append(this.dialog);
  }

  /** Show what is on the screen now. */
  async refresh() {
    const { view } = await get("/ui/modal");
    const isOther = view?.id !== this.view?.id;
    if (isOther || view?.hash !== this.view?.hash) this.trouble = "";
    if (isOther) this.values = {};
    if (!isOther && JSON.stringify(view) === JSON.stringify(this.view)) return;
    this.view = view;
    if (view) this.#draw(isOther);
    else this.#hide();
  }

  #draw(isOther) {
    if (!this.dialog.open) this.before = document.activeElement;
    const held = isOther ? null : this.#focus();
    const scrolled = isOther ? 0 : (this.dialog.querySelector(".dialog-body")?.scrollTop ?? 0);
    this.dialog.replaceChildren(this.#form());
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.querySelector(".dialog-body").scrollTop = scrolled;
    if (isOther || held) this.#refocus(held);
  }

  #form() {
    const { view } = this;
    const host = { id: "modal", values: this.values, errors: view.errors, act: (block, element, entry) => this.#act(block, element, entry) };
    const submit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    return node("form", { novalidate: true, on: { submit } },
      node("div", { class: "dialog-top" }, face(session.boot.bot.id, { small: true }), node("h2", { id: "modal-title" }, plain(view.title.text)),
        node("button", { type: "button", class: "bare", "aria-label": "Close", on: { click: () => this.close() } }, icon("close"))),
      node("div", { class: "dialog-body" }, this.trouble ? node("p", { class: "trouble", role: "alert" }, this.trouble) : null, drawBlocks(view.blocks, host)),
      node("div", { class: "dialog-foot" },
        node("button", { type: "button", class: "button", on: { click: () => this.close() } }, plain(view.close?.text ?? "Close")),
        view.submit ? node("button", { class: "button primary", "data-action": "submit" }, plain(view.submit.text)) : null));
  }

  #focus() {
    const { activeElement } = document;
    if (!this.dialog.contains(activeElement)) return null;
    const { selectionStart, selectionEnd } = activeElement;
    return { id: activeElement.id, action: activeElement.dataset.action, selection: [selectionStart, selectionEnd] };
  }

  /** The first field, the first error, or where the focus was. */
  #refocus(held) {
    const first = this.dialog.querySelector('[aria-invalid="true"]');
    const same = held && ((held.id && document.getElementById(held.id)) || (held.action && this.dialog.querySelector(`[data-action="${CSS.escape(held.action)}"]`)));
    const field = this.dialog.querySelector(".dialog-body :is(input, textarea, select, button), .dialog-foot .primary");
    const target = (this.hasFailed && first) || same || field || this.dialog.querySelector(".dialog-foot .button");
    this.hasFailed = false;
    target?.focus();
    if (same && target === same && held.selection[0] !== null && held.selection[0] !== undefined) target.setSelectionRange?.(...held.selection);
  }

  async #act(block, element, entry) {
    await told(post("/ui/act", { view_id: this.view.id, block_id: block.block_id, action_id: element.action_id, ...entry, values: this.values }));
  }

  async #submit() {
    const button = this.dialog.querySelector('[data-action="submit"]');
    if (!this.view || !button || button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    const answer = await post("/ui/submit", { view_id: this.view.id, values: this.values }).catch((error) => ({ ok: false, error: error.message }));
    this.hasFailed = !answer.ok;
    this.trouble = answer.error ?? "";
    if (!answer.ok && this.view) this.view = { ...this.view, hash: "" };
    await this.refresh().catch(() => {});
    if (answer.error && this.view) {
      this.trouble = answer.error;
      this.#draw(false);
    }
    button.removeAttribute("aria-disabled");
  }

  /** Take the modal off the screen, as Escape, the cross and the close button do. */
  async close() {
    if (!this.view) return;
    await told(post("/ui/close", { view_id: this.view.id }));
    await this.refresh();
  }

  /** Tab after the last control comes to the first, and back; the browser alone would leave the dialog in between. */
  #wrap(event) {
    if (event.key !== "Tab") return;
    const controls = [...this.dialog.querySelectorAll("button, input, select, textarea, a[href]")].filter((each) => !each.disabled);
    const [from, to] = event.shiftKey ? [controls[0], controls.at(-1)] : [controls.at(-1), controls[0]];
    if (document.activeElement !== from) return;
    event.preventDefault();
    to.focus();
  }

  #cancel(event) {
    event.preventDefault();
    this.close();
  }

  #hide() {
    if (this.dialog.open) this.dialog.close();
    this.dialog.replaceChildren();
    if (this.before && document.contains(this.before)) this.before.focus();
    this.before = null;
  }
}
