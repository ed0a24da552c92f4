// One sentence from a status, and what else the person on call must know. No page here: only data to data.

import { broken } from "./api.js";
import { clamped, clock, count, day, duration, isKnown, moment, number, percent } from "./format.js";

const NEVER = "not at this capacity: "; // how the API begins to say that more arrive than leave

/** How many there are, with those that are being filed just now; null when not known. */
export function deadLetters(status) {
  const letters = status.dead_letters;
  return isKnown(letters?.total) ? letters.total + (letters.being_filed ?? 0) : null;
}

/**
 * {state, kind, headline, notes: [{state, text, link}]}; `state` is ok, warn, bad, paused or unknown, and `kind`
 * changes only when there is something new to announce.
 */
export function verdict(status) {
  const notes = [...capacityNotes(status), ...letterNotes(status), ...downstreamNotes(status), ...tickNotes(status), ...functionNotes(status), ...unknownNotes(status)];
  const main = flow(status);
  const letters = deadLetters(status);
  const failing = [...capacityNotes(status), ...downstreamNotes(status), ...functionNotes(status)].some((note) => note.state === "bad");
  const state = main.state !== "ok" ? main.state : failing ? "bad" : notes.length ? "warn" : "ok";
  const but = main.state === "ok" && letters ? `, but ${count(letters, "dead letter")}` : "";
  return { state, kind: `${main.kind} ${letters}`, headline: main.headline + but, notes };
}

function flow(status) {
  const source = status.queues?.source;
  const waiting = waits(status);
  const paused = status.schedule?.paused === true;
  if (status.drain?.expires) return { state: "bad", kind: "expires", headline: expiry(status.drain.expires, paused) };
  if (!source || broken(source) || !isKnown(waiting)) {
    const lane = !source || broken(source) ? "source" : "bulk";
    return { state: "unknown", kind: "unknown", headline: `Not known: the ${lane} queue does not answer` };
  }
  if (paused) {
    const rest = waiting ? `${number(waiting)} waiting, nothing is forwarded` : "nothing waits";
    return { state: "paused", kind: "paused", headline: `Paused: ${rest}` };
  }
  if (waiting === 0) {
    const busy = (source.in_flight ?? 0) + (status.queues.bulk?.in_flight ?? 0) > 0 || (status.arrivals_per_minute ?? 0) > 0;
    return { state: "ok", kind: "ok", headline: busy ? "Keeping up: no backlog" : "All quiet: nothing waits" };
  }
  const says = status.drain?.says;
  if (says?.startsWith(NEVER)) {
    return { state: "bad", kind: "behind", headline: `Falling behind: ${says.slice(NEVER.length)}` };
  }
  const minutes = status.drain?.minutes;
  if (!isKnown(minutes)) {
    const rest = says ?? "when they will be gone is not known";
    return { state: "warn", kind: "stuck", headline: `${number(waiting)} waiting: ${rest}` };
  }
  const gone = says ?? `gone in about ${duration(minutes * 60)}`;
  return { state: "ok", kind: "ok", headline: `Keeping up: backlog ${gone}` };
}

/** Events in both lanes; null where one is not known. */
export function waits(status) {
  const { source, bulk } = status.queues ?? {};
  if (!source || broken(source) || !isKnown(source.visible)) return null;
  if (!bulk) return source.visible; // one lane only
  return broken(bulk) || !isKnown(bulk.visible) ? null : source.visible + bulk.visible;
}

/** What SQS will delete, from when on, and what saves it. */
function expiry({ queue, kept_days: days, lost_from: from, needed }, paused) {
  const when = from ? ` from ${day(moment(from))}` : "";
  const why = queue === "destination" ? "consume does not take them" : paused ? "the stage is paused" : "nothing leaves";
  const saves = isKnown(needed) ? `at least ${number(needed)} a minute are needed` : why;
  return `Events older than ${count(days, "day")} will be lost${when}; ${saves}`;
}

/** While the capacity cannot be read, no tick runs. */
function capacityNotes({ capacity_error: why }) {
  return why ? [{ state: "bad", text: clamped(why, 300) }] : [];
}

function letterNotes(status) {
  const letters = deadLetters(status);
  if (letters === null) return [{ state: "warn", text: "Dead letters: not known", link: "#/letters" }];
  return letters === 0 ? [] : [{ state: "bad", text: count(letters, "dead letter"), link: "#/letters" }];
}

function downstreamNotes(status) {
  const downstream = status.downstream;
  if (!downstream?.paused) return [];
  const again = downstream.until ? `tried again at ${clock(moment(downstream.until))}` : "tried again now";
  const why = downstream.why ? `: ${clamped(downstream.why)}` : "";
  return [{ state: "bad", text: `The downstream fails: paused, ${again}${why}` }];
}

const STOPPED = {
  errors: "The last tick stopped because of errors",
  deadline: "The last tick ran out of time",
  back_pressure: "Held back: the destination queue is as full as it may be",
};

function tickNotes(status) {
  const tick = status.last_tick;
  if (broken(tick) || status.schedule?.paused) return [];
  const waiting = waits(status) ?? 0;
  if (tick === null && waiting > 0) {
    return [{ state: "warn", text: "No tick was seen in the last 15 minutes" }];
  }
  const notes = [];
  const why = tick?.errors?.length ? `: ${clamped(tick.errors[0])}` : "";
  if (STOPPED[tick?.stopped]) notes.push({ state: "warn", text: STOPPED[tick.stopped] + why });
  if (tick?.failed > 0) notes.push({ state: "warn", text: `The last tick could not forward ${number(tick.failed)}` });
  return notes;
}

function functionNotes(status) {
  const functions = status.functions;
  if (!functions || broken(functions)) return [];
  const notes = [];
  for (const [name, of] of Object.entries(functions)) {
    if (of?.errors > 0) {
      notes.push({
        state: of.success_rate < 90 ? "bad" : "warn",
        text: `${name} failed ${count(of.errors, "time")} in the last hour (${percent(of.success_rate)} succeeded)`,
      });
    }
    if (of?.throttles > 0) notes.push({ state: "warn", text: `${name} was throttled ${count(of.throttles, "time")}` });
  }
  return notes;
}

const PARTS = { schedule: "the schedule", last_tick: "the last tick", downstream: "the downstream", functions: "the functions", hour: "the last hour", jobs: "jobs" };

/** What could not be asked is no good news. */
function unknownNotes(status) {
  const missing = Object.keys(PARTS).filter((part) => broken(status[part]));
  return missing.length ? [{ state: "warn", text: `Not known: ${missing.map((part) => PARTS[part]).join(", ")}` }] : [];
}
