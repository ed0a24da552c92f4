// Lines over time in plain SVG: gaps where nothing is known, a readout by pointer or arrow keys, and a table.

import { el, setText, svg } from "./dom.js";
import { clock, compact, duration, number, UNKNOWN } from "./format.js";

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

const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 14400, 28800, 72000, 144000, 432000].map((minutes) => 60 * minutes);

/** Round spans of time up to `last` seconds, of which at most so many fit: [0, step, ...]. */
export function spans(last, most) {
  const step = SPANS.find((one) => last / one <= most) ?? last;
  const found = [];
  for (let at = 0; at <= last && step > 0; at += step) found.push(at);
  return found;
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

  /** `ticks` are where each value stands: Dates, or seconds from the beginning. Both are true to scale. */
  show(ticks, values) {
    this.#lines = { ticks, values };
    this.redraw();
  }

  redraw() {
    this.#draw();
    if (this.#more.open) this.#fillTable();
  }

  /** Where on the paper the value stands that is `at` in the list. */
  get #x() {
    const place = this.#place;
    return (at) => place(Number(this.#lines.ticks[at]));
  }

  get #place() {
    const { ticks } = this.#lines;
    const width = this.#box.clientWidth - MARGIN.left - MARGIN.right;
    const first = Number(ticks[0] ?? 0);
    const span = Number(ticks.at(-1) ?? 1) - first || 1;
    return (moment) => MARGIN.left + (width * (moment - first)) / span;
  }

  /** What the axis names: [[place, text], ...]. */
  #marks(most) {
    const { ticks } = this.#lines;
    if (!ticks.length) return [];
    if (!(ticks[0] instanceof Date)) return spans(ticks.at(-1), most).map((seconds) => [this.#place(seconds), duration(seconds)]);
    const every = Math.max(1, Math.ceil(ticks.length / most));
    const found = [];
    for (let at = ticks.length - 1; at >= 0; at -= every) found.push([this.#x(at), this.#name(at)]);
    return found;
  }

  #draw() {
    if (!this.#lines || this.#box.clientWidth < 100) return;
    const { values } = this.#lines;
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
    for (const [place, text] of this.#marks(Math.max(2, Math.floor((width - 60) / 90)))) {
      const anchor = place > width - MARGIN.right - 20 ? "end" : place < MARGIN.left + 16 ? "start" : "middle";
      picture.append(svg("text", { class: "tick", x: place, y: HEIGHT - 6, "text-anchor": anchor }, text));
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
    return tick instanceof Date ? clock(tick, false) : duration(tick);
  }

  #point(offset) {
    if (!this.#lines) return;
    const x = this.#x;
    let nearest = 0;
    this.#lines.ticks.forEach((_, at) => {
      if (Math.abs(x(at) - offset) < Math.abs(x(nearest) - offset)) nearest = at;
    });
    this.#move(nearest);
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
