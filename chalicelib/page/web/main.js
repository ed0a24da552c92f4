// Puts the parts together: who is asked how often, and what the page says of itself.

import { broken, get } from "./api.js";
import { askChanges } from "./changes.js";
import { byId, el, keyed, setText } from "./dom.js";
import { ago, bytes, clock, duration, name, number, UNKNOWN } from "./format.js";
import { askHistory, redrawHistory, startHistory } from "./history.js";
import { icon } from "./icons.js";
import { askJobs, jobsEvery, startJobs } from "./jobs.js";
import { startLetterDialogs } from "./letter_dialogs.js";
import { askLetters, lettersToRead, startLetters } from "./letters.js";
import { showPipeline, startPipeline } from "./pipeline.js";
import { firstPlan, startPlan } from "./plan.js";
import { Poll } from "./poll.js";
import { askRecent, startRecent } from "./recent.js";
import { startRoute } from "./route.js";
import { showControl, startControl } from "./control.js";
import { startTheme } from "./theme.js";
import { refreshTimes, startZone } from "./times.js";
import { startTrace } from "./trace.js";
import { deadLetters } from "./verdict.js";

const EVERY = { status: 4_000, recent: 8_000, history: 30_000, letters: 4_000, changes: 30_000 }; // milliseconds
const STALE_AFTER = 30_000; // milliseconds; an answer this old is no news

const LINKS = { letters: "#/letters" }; // what a note leads to

let status = null;
let answeredAt = null;
let problem = null;
let announced = null;
let toRead = false;

const polls = {
  status: new Poll(askStatus, () => EVERY.status),
  recent: new Poll(askRecent, () => EVERY.recent),
  history: new Poll(askHistory, () => EVERY.history),
  jobs: new Poll(() => askJobs(polls.jobs), jobsEvery),
  letters: new Poll(readLetters, () => EVERY.letters),
  changes: new Poll(askChanges, () => EVERY.changes),
};
const others = [polls.recent, polls.letters, polls.jobs, polls.history, polls.changes];

async function askStatus() {
  try {
    status = await get("status");
    answeredAt = new Date();
    const back = problem !== null;
    problem = null;
    show();
    if (back) for (const poll of others) poll.now(); // they may wait for long by now
  } catch (error) {
    problem = error.message;
    throw error;
  } finally {
    showFreshness();
  }
}

async function readLetters() {
  if (!status || (!problem && lettersToRead(status))) await askLetters();
}

function show() {
  const says = status.verdict;
  const box = byId("verdict");
  if (box.dataset.state !== says.state) {
    box.dataset.state = says.state;
    byId("verdict-icon").replaceChildren(icon(says.state));
  }
  setText(byId("stage"), status.stage || "stage not known");
  keyed(byId("notes"), says.notes, (note) => note.text, (note) => {
    const content = [icon(note.state), name(note.text)];
    const link = LINKS[note.about];
    return el("li", {}, link ? el("a", { class: `pill ${note.state}`, href: link }, content) : el("span", { class: `pill ${note.state}` }, content));
  });
  if (announced !== says.kind) {
    // only what changes the judgement is read aloud, not every number
    setText(byId("announce"), [says.headline, ...says.notes.map((note) => name(note.text))].join(". "));
    announced = says.kind;
  }
  showPipeline(status);
  showControl(status);
  byId("hour-section").hidden = status.hour === undefined; // an API that does not measure shows no gauges
  if (status.hour !== undefined) showHour(status.hour);
  const news = lettersToRead(status);
  if (news && !toRead) polls.letters.now();
  toRead = news;
}

function showHour(hour) {
  const wrong = broken(hour);
  const known = wrong ? {} : (hour ?? {});
  const took = known.upload_to_done ?? {};
  const facts = [
    ["Forwarded a minute", number(known.forwarded_per_minute)],
    ["Done", number(known.done)],
    ["Rejected", number(known.rejected)],
    ["Thumbnails", number(known.thumbnails)],
    ["Half are done within", duration(took.p50)],
    ["95% are done within", duration(took.p95)],
    ["Read", bytes(known.bytes_in)],
    ["Written", bytes(known.bytes_out)],
  ];
  keyed(byId("hour"), facts, ([term]) => term, ([term, value]) =>
    el("div", {}, el("dt", {}, term), el("dd", { title: value === UNKNOWN ? "not known" : null }, value)));
  setText(byId("hour-note"), wrong ? `Not known: ${wrong}` : "");
}

/** How old the numbers are. Old ones stay to be read, but never look new. */
function showFreshness() {
  const age = answeredAt ? Date.now() - answeredAt : null;
  const stale = problem !== null || (age !== null && age > STALE_AFTER);
  document.body.classList.toggle("stale", stale);
  const text = !answeredAt ? (problem ? "Never answered" : "Asking ...") : `${stale ? "Numbers of" : "Updated"} ${clock(answeredAt)}`;
  setText(byId("fresh"), text);
  document.title = title(stale);
  if (status) setText(byId("headline"), `${stale ? `At ${clock(answeredAt)}: ` : ""}${status.verdict.headline}`);
  setText(byId("fresh-age"), answeredAt ? ago(answeredAt) : "");
  byId("outage").hidden = !stale;
  setText(byId("outage-says"), stale ? outage(answeredAt) : "");
  if (stale) announced = null; // its return is news, too
}

/** What a tab among others tells. */
function title(stale) {
  const about = `${status?.stage || "stage not known"} · S3 event scheduler`;
  if (stale) return `✕ API down · ${about}`;
  const letters = status ? deadLetters(status) : null;
  const fine = !status || status.verdict.state === "ok";
  return `${fine ? "" : "! "}${letters ? `${number(letters)} dead · ` : ""}${status ? about : "S3 event scheduler"}`;
}

function outage(since) {
  const why = `The API cannot be asked: ${problem ?? "no answer"}.`;
  return since ? `${why} What you see is from ${clock(since)}.` : `${why} Nothing is known yet.`;
}

startTheme();
startZone(() => {
  if (status) show();
  showFreshness();
  redrawHistory();
});
startPipeline();
startRecent();
startTrace();
startControl(() => {
  polls.status.now();
  polls.changes.now();
});
startHistory(polls.history);
startJobs(polls.jobs);
startLetters(polls.letters);
startLetterDialogs();
startPlan();
byId("ask-now").addEventListener("click", () => polls.status.now());
setInterval(() => {
  showFreshness();
  refreshTimes();
}, 1_000);
// All side by side: a part that is slow keeps no other waiting.
for (const poll of [polls.status, ...others]) poll.now();
startRoute();
firstPlan();
