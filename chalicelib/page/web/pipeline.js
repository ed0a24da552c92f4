// The pipeline as a picture, with live numbers; and the same in words.

import { broken } from "./api.js";
import { byId, el, keyed, setText, svg } from "./dom.js";
import { clamped, clock, compact, count, duration, isKnown, moment, name as nameOf, number, percent, UNKNOWN } from "./format.js";
import { layout } from "./pipeline_layout.js";
import { deadLetters } from "./verdict.js";

const TITLES = {
  images: "Images bucket",
  enqueue: "enqueue",
  source: "Live lane",
  bulk: "Bulk lane",
  drain: "drain",
  destination: "Destination queue",
  consume: "consume",
  dead_letter: "Dead letters",
};
const RESULTS = { resize: "Thumbnails", log: "Log lines", start_execution: "Executions" };
const QUEUES = ["source", "bulk", "destination", "dead_letter"];
const LABELED = ["enqueue", "drain", "destination", "result"]; // arrows with a number, by where they end
const NARROW = window.matchMedia("(max-width: 820px)");

let parts = {}; // what changes in the picture, by name
let last = null;

export function startPipeline() {
  draw();
  NARROW.addEventListener("change", () => {
    draw();
    if (last) showPipeline(last);
  });
}

function draw() {
  const { size, boxes, arrows, rejects } = layout(!NARROW.matches);
  parts = {};
  const picture = svg("svg", {
    viewBox: `0 0 ${size[0]} ${size[1]}`,
    role: "img",
    "aria-label": "Picture of the pipeline. The same in words follows.",
  });
  picture.append(
    svg("defs", {}, head("tip", "tip"), head("tip-reject", "tip reject")),
    ...rejects.map(({ from, path }) => arrow(`reject-${from}`, path, "reject")),
    ...arrows.map((one) => svg("g", {}, arrow(one.name, one.path, "forward"), ...label(one))),
    ...Object.entries(boxes).map(([name, box]) => node(name, box)),
  );
  byId("picture").replaceChildren(picture);
}

function head(id, shape) {
  const size = { viewBox: "0 0 8 8", refX: 1, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" };
  return svg("marker", { id, ...size }, svg("path", { d: "M0 .5L7.5 4L0 7.5z", class: shape }));
}

function arrow(name, path, kind) {
  const mark = kind === "reject" ? "tip-reject" : "tip";
  parts[`arrow-${name}`] = svg("path", { d: path, class: `arrow ${kind}`, "marker-end": `url(#${mark})` });
  return parts[`arrow-${name}`];
}

function label({ to, label: [x, y, anchor], under }) {
  if (!LABELED.includes(to) || parts[`label-${to}`]) return [];
  const value = svg("text", { x, y, class: "label-value", "text-anchor": anchor });
  const unit = svg("text", { x, y: y + under, class: "label-unit", "text-anchor": anchor });
  const more = svg("text", { x, y: y + under + 15, class: "label-unit", "text-anchor": anchor });
  parts[`label-${to}`] = [value, unit, more];
  return [value, unit, more];
}

function node(name, [x, y, width, height]) {
  const queue = QUEUES.includes(name) || name === "result";
  const box = svg("rect", { x, y, width, height, rx: queue ? 10 : name === "images" ? 14 : height / 2 });
  const middle = x + width / 2;
  const text = (dy, kind) => svg("text", { x: middle, y: y + dy, class: kind, "text-anchor": "middle" });
  const small = !queue;
  const title = text(small ? height / 2 - 3 : 23, "title");
  const value = text(height > 90 ? 59 : 51, "value");
  const [first, second] = small
    ? [text(height / 2 + 15, "sub"), text(0, "sub")]
    : [text(height > 90 ? 83 : 68, "sub"), text(102, "sub")];
  title.textContent = TITLES[name] ?? "";
  const group = svg("g", { class: `node node-${name} ${queue ? "queue" : "step"}` }, box, title, value, first, second);
  parts[name] = { group, title, value, first, second };
  return group;
}

/** Every number from a status; what is missing is a dash. */
export function showPipeline(status) {
  last = status;
  const words = [];
  for (const name of ["source", "bulk", "destination"]) showQueue(name, status.queues?.[name], words);
  showLetters(status, words);
  const paused = status.schedule?.paused === true;
  for (const name of ["enqueue", "drain", "consume"]) showFunction(name, status.functions, paused, words);
  setText(parts.images.first, "new objects");
  const hour = broken(status.hour) ? {} : (status.hour ?? {});
  const result = RESULTS[status.action] ?? "Done";
  const made = status.action === "resize" ? hour.thumbnails : hour.done;
  setText(parts.result.title, result);
  setText(parts.result.value, made >= 100_000 ? compact(made) : number(made));
  setText(parts.result.first, "last hour");
  const tick = broken(status.last_tick) ? null : status.last_tick;
  put("enqueue", number(status.arrivals_per_minute), ...(NARROW.matches ? ["a minute, 15 min mean"] : ["a minute,", "15 min mean"]));
  put("drain", isKnown(status.capacity) ? `≤ ${number(status.capacity)}` : UNKNOWN, "a minute");
  put("destination", number(tick?.forwarded), "last tick");
  put("result", number(hour.done), "last hour");
  const arrives = status.arrivals_per_minute > 0;
  flows("images-enqueue", arrives);
  for (const lane of ["source", "bulk"]) {
    const waits = status.queues?.[lane]?.visible > 0;
    flows(`enqueue-${lane}`, arrives && (lane === "source" || waits));
    flows(`${lane}-drain`, !paused && waits, paused);
  }
  flows("drain-destination", !paused && tick?.forwarded > 0);
  const inDestination = status.queues?.destination ?? {};
  const works = inDestination.visible > 0 || inDestination.in_flight > 0;
  flows("destination-consume", works);
  flows("consume-result", works);
  words.push(
    `Arriving: ${number(status.arrivals_per_minute)} a minute, over the last 15 minutes.`,
    tick
      ? `Last tick, ${clock(moment(tick.at))}: ${number(tick.forwarded)} forwarded of ${number(tick.received)} received, ` +
          `${number(tick.failed)} failed; ${tick.says}; took ${duration(tick.seconds)}.` +
          (tick.errors ?? []).map((error) => ` ${clamped(error)}`).join("")
      : `Last tick: ${broken(status.last_tick) ?? "not known"}.`,
    `${result} in the last hour: ${number(made)}.`,
    ...(status.lines ?? []).map((line) => `Keys ${line.keys}: ${line.action} ${line.thumbnails.join(", ")}`.trim() + "."),
  );
  byId("words").replaceChildren(...words.map((line) => el("li", {}, line)));
  showGroups(status.groups);
}

/** Who fills the queues, by the last uploads. */
function showGroups(groups) {
  const problem = broken(groups);
  const largest = problem ? [] : (groups?.largest ?? []);
  byId("groups").hidden = !problem && largest.length === 0;
  const since = problem ? "" : `of the last ${count(groups?.uploads, "upload")}, since ${clock(moment(groups?.since))}:`;
  setText(byId("groups-since"), problem ? `not known: ${problem}` : since);
  keyed(byId("groups-list"), largest, ({ group }) => group, ({ group, percent: share }) =>
    el("li", {}, el("bdi", {}, group ? `${nameOf(group)}/` : "in no folder"), " ", el("b", {}, percent(share))));
}

function put(name, value, ...units) {
  const [of, ...under] = parts[`label-${name}`];
  setText(of, value);
  under.forEach((node, at) => setText(node, units[at] ?? ""));
}

function flows(name, flowing, stopped = false) {
  parts[`arrow-${name}`].classList.toggle("flowing", Boolean(flowing));
  parts[`arrow-${name}`].classList.toggle("stopped", stopped);
}

function showQueue(name, queue, words) {
  const { group, value, first, second } = parts[name];
  const problem = !queue ? "not known" : broken(queue);
  group.classList.toggle("broken", Boolean(problem));
  group.classList.toggle("filled", queue?.visible > 0);
  const waits = queue?.visible;
  setText(value, problem ? "?" : waits >= (NARROW.matches ? 1_000_000 : 10_000_000) ? compact(waits) : number(waits));
  const delayed = queue?.delayed && !NARROW.matches ? ` · ${number(queue.delayed)} delayed` : "";
  setText(first, problem ? "not known" : `${number(queue?.in_flight)} in flight${delayed}`);
  const oldest = isKnown(queue?.oldest_age) ? `oldest ${duration(queue.oldest_age)}` : queue?.visible === 0 ? "" : "oldest –";
  setText(second, problem ? "" : oldest);
  words.push(
    problem
      ? `${TITLES[name]}: ${problem}.`
      : `${TITLES[name]}: ${number(queue.visible)} waiting, ${number(queue.in_flight)} in flight, ` +
          `${number(queue.delayed)} delayed${waited(queue)}.`,
  );
}

function waited({ visible, oldest_age: age }) {
  if (isKnown(age)) return `; the oldest has waited ${duration(age)}`;
  return visible === 0 ? "" : "; how long the oldest has waited is not known yet";
}

/** Those that are filed, and beside them those that are being filed. */
function showLetters(status, words) {
  const { group, value, first } = parts.dead_letter;
  const letters = status.dead_letters;
  const problem = !letters ? "not known" : broken(letters);
  group.classList.toggle("broken", Boolean(problem));
  group.classList.toggle("filled", deadLetters(status) > 0);
  setText(value, problem ? "?" : letters.total >= (NARROW.matches ? 1_000_000 : 10_000_000) ? compact(letters.total) : number(letters.total));
  const filing = letters?.being_filed > 0 ? `${number(letters.being_filed)} being filed` : null;
  setText(first, problem ? "not known" : filing ?? (letters.total ? "with their reason" : "none"));
  words.push(problem ? `${TITLES.dead_letter}: ${problem}.` : `${TITLES.dead_letter}: ${number(letters.total)} filed, ${number(letters.being_filed)} being filed.`);
}

function showFunction(name, functions, paused, words) {
  const { group, first } = parts[name];
  const problem = broken(functions);
  const of = problem ? null : functions?.[name];
  const failing = of?.errors > 0;
  const stopped = name === "drain" && paused;
  group.classList.toggle("failing", failing);
  group.classList.toggle("paused", stopped);
  const rate = isKnown(of?.success_rate) ? `${percent(of.success_rate)} ok` : UNKNOWN;
  setText(first, stopped ? "❚❚ paused" : failing ? `✕ ${number(of.errors)} failed` : rate);
  words.push(
    of
      ? `${name}, last hour: ${count(of.invocations, "run")}, ${number(of.errors)} failed, ` +
          `${number(of.throttles)} throttled; success rate ${percent(of.success_rate)}${stopped ? "; paused" : ""}.`
      : `${name}: ${problem ?? "not known"}${stopped ? "; paused" : ""}.`,
  );
}
