// Bulk jobs: how far they are, run and cancel with a question before, and their report.

import { get, part, post } from "./api.js";
import { ask, noteField } from "./dialog.js";
import { byId, el, keyed, setText } from "./dom.js";
import { count, duration, isKnown, moment, name, number } from "./format.js";
import { icon } from "./icons.js";
import { askNewJob } from "./job_form.js";
import { DOES, showReport } from "./report.js";
import { go, link, on } from "./route.js";
import { time } from "./times.js";

const SHOWN = 8;
const OUTCOMES = {
  "waiting to be run": "paused",
  running: "wait",
  succeeded: "ok",
  "partly failed": "warn",
  failed: "bad",
  cancelled: "off",
};
const ENDED = ["succeeded", "partly failed", "failed", "cancelled"];

let active = false;

export function startJobs(poll) {
  byId("new-job").addEventListener("click", () => askNewJob(() => poll.now()));
  on("job", (id) => showReport(id));
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
    el("div", { class: "job-head" }, el("a", { class: "name clamp", href: link("job", job.id), title: name(title), "data-keep": `job ${job.id}` }, el("bdi", {}, name(title))), el("span", { class: `pill ${state}` }, icon(state), String(job.outcome))),
    progress,
    el("div", { class: "job-foot" },
      el("span", { class: "small" }, `${number(done)} of ${count(job.objects, "object")}`, failed ? ", " : null, failed, ` · ${DOES[job.operation] ?? job.operation} · `, time(job.created, "both"), took(job)),
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
  else add("Report", () => go(link("job", job.id)));
  return found;
}

function askRun(job, poll) {
  const note = noteField(250);
  ask(
    "Run this job?",
    [
      el("p", { class: "name" }, el("bdi", {}, job.description || job.id)),
      el("ul", { class: "says" },
        el("li", {}, `${isKnown(job.objects) ? count(job.objects, "object") : "A number of objects that is not known yet"} (${DOES[job.operation] ?? job.operation}).`),
        el("li", {}, "From now on it costs money. Cancelling it later does not undo what it has done.")),
      note.box,
    ],
    "Run the job",
    async () => {
      await post(`jobs/${part(job.id)}/run`, note.text() ? { note: note.text() } : undefined);
      poll.now();
      return "The job runs.";
    },
  );
}

function askCancel(job, poll) {
  const note = noteField(250);
  ask(
    "Cancel this job?",
    [el("p", { class: "name" }, el("bdi", {}, job.description || job.id)), el("p", { class: "says" }, "What it has done stays done; the rest is left alone. It cannot be run again."), note.box],
    "Cancel the job",
    async () => {
      await post(`jobs/${part(job.id)}/cancel`, { reason: note.text() || "cancelled on the page" });
      poll.now();
      return "The job is cancelled.";
    },
    { danger: true },
  );
}
