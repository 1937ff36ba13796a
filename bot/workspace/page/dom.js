// DOM nodes and nothing else: text that came from people never becomes markup.

/**
 * Return an element. Attributes that are false, null or undefined are left out; `on` holds listeners.
 * @param {string} tag
 * @param {object} [properties]
 * @param {...(Node|string|Array|null|false)} children
 */
export function node(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "on") listen(element, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Make these the children, in this order; what stays keeps its place in the page, and so its focus and a press that goes on. */
export function arrange(parent, wanted) {
  const staying = new Set(wanted);
  for (const child of [...parent.children]) if (!staying.has(child)) child.remove();
  wanted.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
}

function listen(element, listeners) {
  for (const [event, listener] of Object.entries(listeners)) element.addEventListener(event, listener);
}

const PATHS = {
  app: ["M12 3.5l8 4.4v8.2l-8 4.4-8-4.4V7.9z", "M4.2 8l7.8 4.3L19.8 8", "M12 12.3v8"],
  close: ["M6 6l12 12", "M18 6L6 18"],
  menu: ["M4 7h16", "M4 12h16", "M4 17h16"],
  send: ["M5 12h13", "M12 6l6 6-6 6"],
  hash: ["M9.5 4L7.5 20", "M16.5 4l-2 16", "M4.5 9h16", "M3.5 15h16"],
  lock: ["M6 11h12v9H6z", "M8.5 11V8a3.5 3.5 0 0 1 7 0v3"],
  home: ["M4 11.5L12 5l8 6.5", "M6.5 10v9h11v-9"],
  eye: ["M2.5 12S6 5.8 12 5.8 21.5 12 21.5 12 18 18.2 12 18.2 2.5 12 2.5 12z", "M12 9.4a2.6 2.6 0 1 0 0 5.2 2.6 2.6 0 0 0 0-5.2z"],
  reply: ["M9 6L4 11l5 5", "M4 11h9c4 0 7 2 7 7"],
  file: ["M6 3.5h8l4 4v13H6z", "M14 3.5v4h4", "M12 11v6", "M9.5 14.5L12 17l2.5-2.5"],
  alert: ["M12 3.5l9 16H3z", "M12 10v4.5", "M12 17v.2"],
};

/** Return a drawing that screen readers pass over. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  const looks = { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": 1.9, "aria-hidden": "true" };
  for (const [key, value] of Object.entries({ ...looks, "stroke-linecap": "round", "stroke-linejoin": "round" })) {
    drawing.setAttribute(key, value);
  }
  for (const line of PATHS[name]) {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", line);
    drawing.append(path);
  }
  return drawing;
}

/** Return words for screen readers alone. */
export const spoken = (text) => node("span", { class: "spoken" }, text);
