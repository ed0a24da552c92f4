// Lines over time in plain SVG: gaps where nothing is known, a readout by pointer or arrow keys, and a table.

import { el, setText, svg } from "./dom.js";
import { clock, compact, number, UNKNOWN } from "./format.js";

const HEIGHT = 190;
const MARGIN = { top: 10, right: 12, bottom: 24, left: 44 };
const TABLE_ROWS = 180;

/** A round number of at most `parts` steps up to `top`: [step, ...] from 0. */
export function steps(top, parts = 4) {
  const rough = Math.max(top, 1) / parts;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].map((by) => by * size).find((by) => by >= rough), top < 4 ? 1 : 0);
  const found = [];
  for (let at = 0; at < top + step; at += step) found.push(at);
  return found.length > 1 ? found : [0, step];
}

/** Runs of neighbours that are known: [[from, to], ...], both inclusive. */
export function runs(values) {
  const found = [];
  values.forEach((value, at) => {
    if (value === null || value === undefined) return;
    if (found.length && found.at(-1)[1] === at - 1) found.at(-1)[1] = at;
    else found.push([at, at]);
  });
  return found;
}

export class Chart {
  #lines;
  #labels;
  #at = null;
  #box = el("div", { class: "plot", tabindex: "0", role: "slider", "aria-valuemin": "0" });
  #legend = el("ul", { class: "legend" });
  #when = el("span", { class: "when" });
  #table = el("div", { class: "table-box", tabindex: "0", role: "region" });
  #more = el("details", {}, el("summary", {}, "As a table"), this.#table);

  /** `labels` are [name, style] by line; styles s1, s2 ... are the style sheet's. */
  constructor(parent, title, labels) {
    this.#labels = labels;
    parent.append(el("div", { class: "legend-row" }, this.#legend, this.#when), this.#box, this.#more);
    this.#table.setAttribute("aria-label", `${title} as a table`);
    const empty = { "aria-label": `${title} over time`, "aria-valuemax": "0", "aria-valuenow": "0", "aria-valuetext": "nothing known yet" };
    for (const [name, value] of Object.entries(empty)) this.#box.setAttribute(name, value);
    new ResizeObserver(() => this.#draw()).observe(this.#box);
    this.#box.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    this.#box.addEventListener("pointerleave", () => this.#move(null));
    this.#box.addEventListener("blur", () => this.#move(null));
    this.#box.addEventListener("keydown", (event) => this.#key(event));
    this.#more.addEventListener("toggle", () => this.#fillTable());
  }

  /** `ticks` are what the horizontal axis names, one for each value; Dates, or strings. */
  show(ticks, values) {
    this.#lines = { ticks, values };
    this.#draw();
    if (this.#more.open) this.#fillTable();
  }

  get #x() {
    const width = this.#box.clientWidth - MARGIN.left - MARGIN.right;
    return (at) => MARGIN.left + (width * at) / Math.max(1, this.#lines.ticks.length - 1);
  }

  #draw() {
    if (!this.#lines || this.#box.clientWidth < 100) return;
    const { ticks, values } = this.#lines;
    const known = values.flat().filter((value) => typeof value === "number");
    const marks = steps(Math.max(0, ...known));
    const x = this.#x;
    const y = (value) => HEIGHT - MARGIN.bottom - ((HEIGHT - MARGIN.top - MARGIN.bottom) * value) / marks.at(-1);
    const width = this.#box.clientWidth;
    const picture = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
    for (const mark of marks) {
      picture.append(
        svg("line", { class: mark ? "grid" : "axis", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(mark), y2: y(mark) }),
        svg("text", { class: "tick", x: MARGIN.left - 8, y: y(mark) + 4, "text-anchor": "end" }, compact(mark)),
      );
    }
    const every = Math.max(1, Math.ceil(ticks.length / Math.max(2, Math.floor((width - 60) / 90))));
    for (let at = ticks.length - 1; at >= 0; at -= every) {
      const anchor = at === ticks.length - 1 ? "end" : x(at) < MARGIN.left + 16 ? "start" : "middle";
      picture.append(svg("text", { class: "tick", x: x(at), y: HEIGHT - 6, "text-anchor": anchor }, this.#name(at)));
    }
    values.forEach((line, which) => picture.append(...this.#path(line, this.#labels[which][1], x, y)));
    if (!known.length) {
      picture.append(svg("text", { class: "nothing", x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }, "Nothing known yet"));
    }
    this.cursor = svg("g", { class: "cursor" });
    this.y = y;
    picture.append(this.cursor);
    this.#box.replaceChildren(picture);
    this.#move(this.#at);
  }

  #path(line, style, x, y) {
    const drawn = [];
    for (const [from, to] of runs(line)) {
      if (from === to) {
        drawn.push(svg("circle", { class: `dot ${style}`, cx: x(from), cy: y(line[from]), r: 2.5 }));
        continue;
      }
      const points = line.slice(from, to + 1).map((value, at) => `${x(from + at).toFixed(1)} ${y(value).toFixed(1)}`);
      if (style.includes("area")) {
        drawn.push(svg("path", { class: `fill ${style}`, d: `M${x(from)} ${y(0)}L${points.join("L")}V${y(0)}Z` }));
      }
      drawn.push(svg("path", { class: `line ${style}`, d: `M${points.join("L")}` }));
    }
    return drawn;
  }

  #name(at) {
    const tick = this.#lines.ticks[at];
    return tick instanceof Date ? clock(tick, false) : String(tick);
  }

  #point(offset) {
    if (!this.#lines) return;
    const share = (offset - MARGIN.left) / (this.#box.clientWidth - MARGIN.left - MARGIN.right);
    this.#move(Math.round(share * (this.#lines.ticks.length - 1)));
  }

  #key(event) {
    const end = (this.#lines?.ticks.length ?? 0) - 1;
    const from = this.#at ?? end;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from - 10, PageDown: from + 10, Home: 0, End: end }[event.key];
    if (to === undefined || end < 0) return;
    event.preventDefault();
    this.#move(to);
  }

  /** The readout: at a point in time, or the newest known of each line. */
  #move(at) {
    if (!this.#lines) return;
    const { ticks, values } = this.#lines;
    const end = ticks.length - 1;
    this.#at = at === null ? null : Math.min(Math.max(at, 0), end);
    const shown = values.map((line) => (this.#at === null ? line.findLast((value) => typeof value === "number") : line[this.#at]));
    this.#legend.replaceChildren(
      ...this.#labels.map(([name, style], which) =>
        el("li", {}, svg("svg", { class: "key", viewBox: "0 0 20 8", "aria-hidden": "true" }, svg("path", { class: `line ${style}`, d: "M1 4H19" })), `${name} `, el("b", {}, number(shown[which]))),
      ),
    );
    setText(this.#when, this.#at === null ? "latest" : this.#name(this.#at));
    const told = this.#labels.map(([name], which) => `${name} ${shown[which] === undefined || shown[which] === null ? "not known" : number(shown[which])}`);
    this.#box.setAttribute("aria-valuemax", String(Math.max(0, end)));
    this.#box.setAttribute("aria-valuenow", String(this.#at ?? Math.max(0, end)));
    this.#box.setAttribute("aria-valuetext", `${this.#at === null ? "latest" : this.#name(this.#at)}: ${told.join(", ")}`);
    if (!this.cursor) return;
    this.cursor.replaceChildren();
    if (this.#at === null) return;
    const x = this.#x(this.#at);
    this.cursor.append(svg("line", { x1: x, x2: x, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }));
    shown.forEach((value, which) => {
      if (typeof value === "number") this.cursor.append(svg("circle", { class: `dot ${this.#labels[which][1]}`, cx: x, cy: this.y(value), r: 4 }));
    });
  }

  #fillTable() {
    if (!this.#more.open || !this.#lines) return this.#table.replaceChildren();
    const { ticks, values } = this.#lines;
    const rows = [];
    for (let at = ticks.length - 1; at >= 0 && rows.length < TABLE_ROWS; at -= 1) {
      rows.push(el("tr", {}, el("th", { scope: "row" }, this.#name(at)), ...values.map((line) => el("td", {}, line[at] === null ? UNKNOWN : number(line[at])))));
    }
    const head = el("tr", {}, el("th", { scope: "col" }, "Time"), ...this.#labels.map(([name]) => el("th", { scope: "col" }, name)));
    return this.#table.replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
  }
}
