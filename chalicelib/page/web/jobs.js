// Bulk jobs: how far they are, run and cancel with a question before, and their report.

import { get, part, post } from "./api.js";
import { ask } from "./dialog.js";
import { byId, el, keyed, setText } from "./dom.js";
import { clock, count, duration, isKnown, moment, number } from "./format.js";
import { icon } from "./icons.js";
import { askNewJob } from "./job_form.js";
import { showReport } from "./report.js";

const SHOWN = 8;
const OUTCOMES = {
  "waiting to be run": "paused",
  running: "wait",
  succeeded: "ok",
  "partly failed": "warn",
  failed: "bad",
  cancelled: "unknown",
};
// In a list AWS tells of a job with a function only that it has one.
const DOES = { replace: "replaces tags", merge: "adds tags", restore: "restores tags", backfill: "backfill", lambda: "calls our function" };
const ENDED = ["succeeded", "partly failed", "failed", "cancelled"];

let active = false;

export function startJobs(poll) {
  byId("new-job").addEventListener("click", () => askNewJob(() => poll.now()));
}

/** Milliseconds until they are worth asking about again. */
export function jobsEvery() {
  return active ? 2_000 : 15_000;
}

export async function askJobs(poll) {
  const note = byId("jobs-note");
  try {
    const { jobs = [], total } = await get("jobs", { limit: SHOWN });
    active = jobs.some((job) => !ENDED.includes(job.outcome));
    keyed(byId("jobs"), jobs, (job) => job.id, (job) => row(job, poll));
    byId("new-job").hidden = false;
    const more = total > jobs.length ? `The newest ${jobs.length} of ${number(total)}.` : "";
    setText(note, jobs.length ? more : "No jobs yet. A job tags, or sends through the pipeline, what is already in the bucket.");
  } catch (error) {
    byId("new-job").hidden = error.status === 501;
    setText(note, error.status === 501 ? error.message : `Not up to date: ${error.message}`);
    throw error;
  }
}

function row(job, poll) {
  const state = OUTCOMES[job.outcome] ?? "unknown";
  const done = isKnown(job.succeeded) && isKnown(job.failed) ? job.succeeded + job.failed : null;
  const title = job.description || job.operation || job.id;
  const progress = !ENDED.includes(job.outcome) && isKnown(job.objects) && job.objects > 0 && done !== null
    ? el("progress", { max: job.objects, value: done, "aria-label": `${title}: progress` })
    : null;
  const failed = job.failed > 0 ? el("span", { class: "failed" }, `${number(job.failed)} failed`) : null;
  return el(
    "li",
    { class: "job", "data-job": job.id },
    el("div", { class: "job-head" }, el("span", { class: "name" }, el("bdi", {}, title)), el("span", { class: `pill ${state}` }, icon(state), String(job.outcome))),
    progress,
    el("div", { class: "job-foot" },
      el("span", { class: "small" }, `${number(done)} of ${count(job.objects, "object")}`, failed ? ", " : null, failed, ` · ${DOES[job.operation] ?? job.operation} · ${clock(moment(job.created))}${took(job)}`),
      el("span", { class: "row" }, ...buttons(job, poll))),
  );
}

function took(job) {
  const [from, to] = [moment(job.created), moment(job.ended)];
  return from && to ? ` · took ${duration((to - from) / 1000)}` : "";
}

function buttons(job, poll) {
  const found = [];
  const add = (text, does, kind = null) => {
    const button = el("button", { type: "button", class: kind, "data-keep": `${text} ${job.id}` }, text);
    button.addEventListener("click", does);
    found.push(button);
  };
  if (job.outcome === "waiting to be run") add("Run", () => askRun(job, poll), "primary");
  if (!ENDED.includes(job.outcome)) add("Cancel", () => askCancel(job, poll));
  else add("Report", () => showReport(job));
  return found;
}

function askRun(job, poll) {
  ask(
    "Run this job?",
    [
      el("p", { class: "name" }, el("bdi", {}, job.description || job.id)),
      el("ul", { class: "says" },
        el("li", {}, `${isKnown(job.objects) ? count(job.objects, "object") : "A number of objects not known yet"} (${DOES[job.operation] ?? job.operation}).`),
        el("li", {}, "It costs from here on, and what it has done stays done when it is cancelled.")),
    ],
    "Run the job",
    async () => {
      await post(`jobs/${part(job.id)}/run`);
      poll.now();
      return "The job runs.";
    },
  );
}

function askCancel(job, poll) {
  ask(
    "Cancel this job?",
    [el("p", { class: "name" }, el("bdi", {}, job.description || job.id)), el("p", { class: "says" }, "What it has done stays done; the rest is left alone. It cannot be run again.")],
    "Cancel the job",
    async () => {
      await post(`jobs/${part(job.id)}/cancel`, { reason: "cancelled on the page" });
      poll.now();
      return "The job is cancelled.";
    },
    { danger: true },
  );
}
