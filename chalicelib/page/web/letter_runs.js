// How far a redrive or a discard is, who asked for it and why; one that has stopped can go on.

import { get } from "./api.js";
import { byId, el, keyed, long } from "./dom.js";
import { isKnown, name, number, person } from "./format.js";
import { time } from "./times.js";

const STATES = { asked: "wait", running: "wait", done: "ok", stopped: "warn" };
const SHOWN = 3;

let going = false;

export function runsAreGoing() {
  return going;
}

/** `goOn(do, select, left)` asks for the rest of a run. */
export async function askRuns(goOn) {
  const { runs = [] } = await get("dead-letters/redrive");
  going = runs.some((run) => STATES[run.status] === "wait");
  const newest = going ? runs.slice(0, SHOWN) : runs.slice(0, 1);
  keyed(byId("redrives"), newest.map((run) => ({ ...run, may: !going && run === runs[0] })), (run) => run.id, (run) => row(run, goOn));
}

function row(run, goOn) {
  const working = STATES[run.status] === "wait" && isKnown(run.left);
  const of = working ? `: ${number(run.moved)} of ${number(run.moved + run.left)}` : "";
  const bar = working ? el("progress", { max: Math.max(1, run.moved + run.left), value: run.moved, "aria-label": `${run.do}: progress` }) : null;
  const rest = isKnown(run.left) ? run.left - run.cut : null;
  const more = run.may && run.status === "stopped" && rest !== 0 ? el("button", { type: "button", "data-keep": `go on ${run.id}` }, "Go on with the rest") : null;
  more?.addEventListener("click", () => goOn(run.do, run.select, rest));
  return el("li", {},
    el("div", { class: "job-head" }, el("span", {}, el("span", { class: `pill ${STATES[run.status] ?? "unknown"}` }, `${run.do} ${run.status}${of}`), " ", time(run.started, "both")), more),
    bar,
    el("p", { class: "small" }, long(name(run.says ?? ""))),
    el("p", { class: "small" }, el("bdi", { title: run.by }, `by ${name(person(run.by))}`), run.note ? el("bdi", {}, `: ${name(run.note)}`) : ""));
}
