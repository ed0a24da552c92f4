// Small line icons, 16 by 16; always beside a word, so hidden from screen readers.

import { svg } from "./dom.js";

const PATHS = {
  ok: "M3 8.5l3.2 3.2L13 5",
  warn: "M8 2.2L14.6 13.6H1.4zM8 6.4v3.4M8 11.7v.1",
  bad: "M4 4l8 8M12 4l-8 8",
  paused: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3l7.5 5L5 13z",
  unknown: "M5.6 6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.2.9-1.2 1.8M8 12.6v.1",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.4 10.4L14 14",
  theme: "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11",
  back: "M6 3L2.5 6.5 6 10M2.5 6.5h7a4 4 0 0 1 0 8H7",
  image: "M2 3h12v10H2zM2 11l3.5-3.5L9 11l2-2 3 3M10.6 6v.1",
  wait: "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2zM8 4.8V8l2.2 1.6",
  close: "M4 4l8 8M12 4l-8 8",
  off: "M4 8h8",
  plus: "M8 3v10M3 8h10",
};

export function icon(which) {
  return svg("svg", { viewBox: "0 0 16 16", class: `icon icon-${which}`, "aria-hidden": "true" }, svg("path", { d: PATHS[which] }));
}
