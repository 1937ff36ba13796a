// The signs of a card's state, drawn: a machine without an emoji font shows them too, and they keep to the page's inks.

const INK = "var(--ink2)";
const OK = "var(--ok)";
const WARN = "var(--warn)";
const DANGER = "var(--danger)";
const ACCENT = "var(--accent)";

const line = (d, ink) => ["path", { d, stroke: ink, fill: "none" }];
const shape = (d, ink) => ["path", { d, fill: ink, stroke: ink }];
const ground = (d, ink) => ["path", { d, fill: `color-mix(in srgb, ${ink} 18%, transparent)`, stroke: ink }];
const disc = (ink) => ["circle", { cx: 12, cy: 12, r: 9, fill: ink, stroke: ink }];
const ring = (ink) => ["circle", { cx: 12, cy: 12, r: 8.5, fill: `color-mix(in srgb, ${ink} 18%, transparent)`, stroke: ink }];
const on = (d) => ["path", { d, stroke: "var(--surface)", fill: "none" }];

const SIGNS = {
  memo: [ground("M5 3.5h10l4 4v13H5z", INK), line("M8.5 9h4M8.5 13h7M8.5 17h5", INK)],
  question: [ring(ACCENT), line("M9.4 9.6a2.7 2.7 0 1 1 4 2.3c-.9.5-1.4 1-1.4 2", ACCENT), line("M12 17v.1", ACCENT)],
  hourglass_flowing_sand: [ground("M7 3.5h10c0 4.5-4 5.5-4 8.5s4 4 4 8.5H7c0-4.5 4-5.5 4-8.500s-4-4-4-8.500z", WARN), line("M5.5 3.500h13M5.5 20.500h13", WARN)],
  raised_hand: [ground("M7.5 12V6.800a1.4 1.4 0 0 1 2.8 0V11V4.900a1.4 1.4 0 0 1 2.8 0V11V5.800a1.4 1.4 0 0 1 2.8 0V12l1.6-2.100a1.4 1.4 0 0 1 2.2 1.700L16.5 18a5 5 0 0 1-4.2 2.500c-2.8 0-4.8-2.2-4.8-5z", WARN)],
  white_check_mark: [disc(OK), on("M7.5 12.300l3.2 3.2 5.9-6.6")],
  heavy_check_mark: [line("M5 12.500l5 5L19.5 7", OK)],
  no_entry: [disc(DANGER), on("M7.5 12h9")],
  no_entry_sign: [ring(DANGER), line("M6.2 6.200l11.6 11.6", DANGER)],
  x: [disc(DANGER), on("M8.5 8.500l7 7M15.5 8.500l-7 7")],
  arrows_counterclockwise: [line("M4.5 13.500a7.7 7.7 0 0 0 13.8 3.300M19.5 10.500A7.7 7.7 0 0 0 5.7 7.2", ACCENT), line("M5.2 3.500v4h4M18.8 20.500v-4h-4", ACCENT)],
  large_green_circle: [["circle", { cx: 12, cy: 12, r: 6.5, fill: OK, stroke: OK }]],
  red_circle: [["circle", { cx: 12, cy: 12, r: 6.5, fill: DANGER, stroke: DANGER }]],
  alarm_clock: [["circle", { cx: 12, cy: 13, r: 7, fill: "none", stroke: WARN }], line("M12 9.500V13l2.5 1.800M5 5.500L7.5 3.500M19 5.500l-2.5-2", WARN)],
  heavy_plus_sign: [ring(OK), line("M12 7.500v9M7.5 12h9", OK)],
  heavy_minus_sign: [ring(ACCENT), line("M7.5 12h9", ACCENT)],
  leftwards_arrow_with_hook: [line("M8.5 5L4.5 9l4 4M5 9h9.500a5 5 0 0 1 0 10H9", ACCENT)],
  checkered_flag: [line("M5.5 21V3.5", INK), ground("M5.5 4h13v9h-13z", INK), shape("M5.5 4h3.250v3H5.500zM12 4h3.250v3H12zM8.75 7H12v3H8.750zM15.25 7h3.250v3h-3.250zM5.5 10h3.250v3H5.500zM12 10h3.250v3H12z", INK)],
  warning: [ground("M12 3.500l9.3 16.500H2.700z", WARN), line("M12 9.500v5M12 17.300v.1", WARN)],
  wastebasket: [ground("M6.5 7.500h11l-1 13h-9z", INK), line("M4.5 7.500h15M9.5 7V4.500h5V7M10.3 11l.3 6M13.7 11l-.3 6", INK)],
  zzz: [line("M4 12.500h6l-6 7.500h6M13 4h7l-7 8h7", INK)],
  rotating_light: [ground("M7 17v-4.500a5 5 0 0 1 10 0V17z", DANGER), line("M5 20h14M12 3.500v1.500M4.8 6.300l1.2 1.100M19.2 6.300L18 7.4", DANGER)],
  rewind: [ring(WARN), line("M11.5 8l-4 4 4 4M16.500 8l-4 4 4 4", WARN)],
  electric_plug: [ground("M7 8.500h10v4a5 5 0 0 1-10 0z", DANGER), line("M9.5 3.500v5M14.5 3.500v5M12 17.500v3", DANGER)],
  chart_with_upwards_trend: [line("M4 4v16h16", INK), line("M7 15l4-4 3 2.500 5-6M15.500 7.500H19V11", DANGER)],
  door: [ground("M6.5 3.500h11v17h-11z", DANGER), line("M4 20.500h16M14 12v.6", DANGER)],
  ice_cube: [ground("M12 3.500l7.5 4.200v8.600L12 20.500l-7.5-4.200V7.700z", ACCENT), line("M4.5 7.700L12 12l7.5-4.300M12 12v8.5", ACCENT)],
  package: [ground("M4 8l8-4.500L20 8v8l-8 4.500L4 16z", INK), line("M4 8l8 4.300L20 8M12 12.300v8M8 5.800l8 4.4", INK)],
  scroll: [ground("M6.5 3.500h11v15a2 2 0 0 1-2 2h-9a2 2 0 0 0 2-2z", INK), line("M10 8h5M10 12h5M10 16h3.5", INK)],
  anchor: [line("M12 8v12.500M8.5 11h7M4.5 13.500c.5 4.5 3.5 7 7.5 7s7-2.5 7.5-7", ACCENT), ["circle", { cx: 12, cy: 5.8, r: 2.2, fill: "none", stroke: ACCENT }]],
  key: [["circle", { cx: 8, cy: 15.5, r: 4, fill: "none", stroke: WARN }], line("M11 12.500L19.5 4M16 7.500l3 3M14 9.500l2 2", WARN)],
  bell: [ground("M6 16.500v-5a6 6 0 0 1 12 0v5l1.5 1.500h-15z", WARN), line("M10.3 20.500h3.4", WARN)],
  information_source: [ring(ACCENT), line("M12 11.500v5.500M12 7.500v.1", ACCENT)],
  lock: [ground("M6 11h12v9H6z", INK), line("M8.5 11V8a3.5 3.5 0 0 1 7 0v3", INK)],
};

/** Return the drawing of a shortcode, null when it has none. */
export function sign(shortcode) {
  return Object.hasOwn(SIGNS, shortcode) ? drawing(SIGNS[shortcode]) : null;
}

function drawing(parts) {
  const looks = { viewBox: "0 0 24 24", "stroke-width": 1.9, "stroke-linecap": "round", "stroke-linejoin": "round" };
  return svg("svg", looks, ...parts.map(([tag, attributes]) => svg(tag, attributes)));
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
