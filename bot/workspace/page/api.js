// Calls of the workspace's own API, and the stream of what changes.

import { session } from "./session.js";

const KEPT = "workspace-token";

// What a page that is being left does not hear any more is no fault.
let leaving = false;
addEventListener("pagehide", () => { leaving = true; });
addEventListener("pageshow", () => { leaving = false; });

/** Raised when the workspace refuses or cannot be reached; `closed` when the page's token is not this start's. */
export class ApiError extends Error {
  constructor(message, { closed = false } = {}) {
    super(message);
    this.closed = closed;
  }
}

/** Keep the token of this start, given by the address that was printed; it is kept for this tab alone. */
export function keepToken(token) {
  if (token) sessionStorage.setItem(KEPT, token);
}

const token = () => sessionStorage.getItem(KEPT) ?? "";

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { "X-Workspace-Token": token(), ...options.headers } });
  } catch {
    if (leaving) return new Promise(() => {});
    throw new ApiError("The workspace does not answer. Is it still running?");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new ApiError(body.error ?? `The workspace answered ${response.status}.`, { closed: response.status === 403 && !session.boot });
}

const acting = () => session.me?.id ?? "";

/** Return what the workspace answers; `as` goes along by itself. */
export async function get(path, query = {}) {
  const search = new URLSearchParams({ as: acting(), ...query });
  return (await call(`${path}?${search}`)).json();
}

/** Send something done by the person that is acted as, and return the answer. */
export async function post(path, body) {
  const content = JSON.stringify({ as: acting(), ...body });
  return (await call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: content })).json();
}

/** Hand a file over to the browser's downloads. */
export async function download(file) {
  const content = await (await call(`${file.url}?${new URLSearchParams({ as: acting() })}`)).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** One connection that tells what changes for the person that is acted as, made again whenever it is lost. */
export class Stream {
  /**
   * @param {(note: object) => void} tell
   * @param {(open: boolean) => void} turn told when the connection opens or is lost
   */
  constructor(tell, turn) {
    this.tell = tell;
    this.turn = turn;
    this.socket = null;
    this.pause = 0;
  }

  /** Listen as the person that is acted as now. */
  listen() {
    const before = this.socket;
    this.socket = null;
    before?.close();
    const query = new URLSearchParams({ as: acting(), token: token() });
    const socket = new WebSocket(`ws://${location.host}/ui/stream?${query}`);
    this.socket = socket;
    socket.addEventListener("open", () => this.#opened(socket));
    socket.addEventListener("message", (event) => socket === this.socket && this.tell(JSON.parse(event.data)));
    socket.addEventListener("close", () => this.#lost(socket));
  }

  #opened(socket) {
    if (socket !== this.socket) return;
    this.pause = 0;
    this.turn(true);
  }

  #lost(socket) {
    if (socket !== this.socket || leaving) return;
    this.turn(false);
    this.pause = Math.min(5000, this.pause * 2 || 400);
    setTimeout(() => socket === this.socket && this.listen(), this.pause);
  }
}
