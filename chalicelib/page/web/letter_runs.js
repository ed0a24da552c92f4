// How far a redrive or a discard is, who asked for it and why; it can be stopped, and one that has stopped can go on.

import { get, post } from "./api.js";
import { ask, noteField } from "./dialog.js";
import { byId, el, keyed, long } from "./dom.js";
import { isKnown, name, number, person } from "./format.js";
import { time } from "./times.js";

const STATES = { asked: "wait", running: "wait", done: "ok", stopped: "warn" };
const SHOWN = 3;

let going = false;

export function runsAreGoing() {
  return going;
}

/** `goOn(do, select, left)` asks for the rest of a run; `again()` reads everything again. */
export async function askRuns(goOn, again) {
  const { runs = [] } = await get("dead-letters/redrive");
  going = runs.some((run) => STATES[run.status] === "wait");
  const newest = going ? runs.slice(0, SHOWN) : runs.slice(0, 1);
  keyed(byId("redrives"), newest.map((run) => ({ ...run, may: !going && run === runs[0] })), (run) => run.id, (run) => row(run, goOn, again));
}

function row(run, goOn, again) {
  const working = STATES[run.status] === "wait" && isKnown(run.left);
  const of = working ? `: ${number(run.moved)} of ${number(run.moved + run.left)}` : "";
  const bar = working ? el("progress", { max: Math.max(1, run.moved + run.left), value: run.moved, "aria-label": `${run.do}: progress` }) : null;
  const rest = isKnown(run.left) ? run.left - run.cut : null;
  const more = run.may && run.status === "stopped" && rest !== 0 ? el("button", { type: "button", "data-keep": `go on ${run.id}` }, "Go on with the rest") : null;
  more?.addEventListener("click", () => goOn(run.do, run.select, rest));
  const stop = STATES[run.status] === "wait" ? el("button", { type: "button", "data-keep": `stop ${run.id}` }, "Stop") : null;
  stop?.addEventListener("click", () => askStop(run, again));
  return el("li", {},
    el("div", { class: "job-head" }, el("span", {}, el("span", { class: `pill ${STATES[run.status] ?? "unknown"}` }, `${run.do} ${run.status}${of}`), " ", time(run.started, "both")), more, stop),
    bar,
    el("p", { class: "small" }, long(name(run.says ?? ""))),
    el("p", { class: "small" }, el("bdi", { title: run.by }, `by ${name(person(run.by))}`), run.note ? el("bdi", {}, `: ${name(run.note)}`) : ""));
}

function askStop(run, again) {
  const note = noteField();
  const done = run.do === "redrive" ? "sent back is in its lane already, and is handled" : "discarded is gone for good";
  ask(
    `Stop the ${run.do}?`,
    [el("ul", { class: "says" }, el("li", {}, "It ends within seconds."), el("li", {}, `What it has ${done}.`), el("li", {}, "All others are still dead letters.")), note.box],
    `Stop the ${run.do}`,
    async () => {
      await post("dead-letters/stop", note.text() ? { note: note.text() } : null);
      again();
      return `The ${run.do} is stopped.`;
    },
  );
}
