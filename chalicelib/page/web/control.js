// Pause, resume, and the capacity: each says what will happen before it does it.

import { broken, post, put } from "./api.js";
import { ask, noteField } from "./dialog.js";
import { byId, el, keyed, setText } from "./dom.js";
import { clock, count, duration, isKnown, moment, name, number, person, UNKNOWN } from "./format.js";
import { icon } from "./icons.js";
import { time } from "./times.js";
import { waits } from "./verdict.js";

const ACTS_WITHIN_S = 80; // STOP_S of the drain's clock: nothing that was forwarded is due later

let status = null;

export function startControl(refresh) {
  byId("pause").addEventListener("click", () => (status?.schedule?.paused ? askResume(refresh) : askPause(refresh)));
  byId("capacity").addEventListener("click", () => askCapacity(refresh));
}

export function showControl(latest) {
  status = latest;
  const paused = latest.schedule?.paused;
  const known = typeof paused === "boolean";
  const button = byId("pause");
  const text = !known ? "Pause" : paused ? "Resume" : "Pause";
  if (button.dataset.shows !== text) {
    button.dataset.shows = text;
    button.replaceChildren(icon(paused ? "play" : "paused"), text);
  }
  button.disabled = !known;
  setText(byId("schedule-says"), known ? (paused ? "Paused" : "Runs every minute") : (broken(latest.schedule) ?? "Not known"));
  setText(byId("capacity-value"), number(latest.capacity));
  byId("capacity").disabled = !isKnown(latest.capacity);
  setText(byId("capacity-says"), capacitySays(latest));
  const by = latest.set_by?.who ? [latest.set_by] : [];
  keyed(byId("set-by"), by, () => "", ({ who, when, note }) =>
    el("p", {}, el("bdi", { title: who }, `Last changed by ${name(person(who))}, `), time(when, "both"), note ? el("bdi", {}, `: “${name(note)}”`) : null));
}

function capacitySays({ capacity, capacity_set: set, capacity_deployed: deployed, max_in_destination: most, set_by: by = {} }) {
  const until = by.until ? ` until ${clock(moment(by.until), false)}` : "";
  const origin = !isKnown(capacity) ? "not known" : isKnown(set) ? `set here${until}; deployed: ${number(deployed)}` : by.by_hour ? `by the hour: ${by.by_hour}` : "as deployed";
  return isKnown(most) ? `${origin}; at most ${number(most)} in the destination queue` : origin;
}

/** The body of a call that takes a note. */
function noted(note, body = {}) {
  const text = note.text();
  return text ? { ...body, note: text } : body;
}

function waiting() {
  return waits(status ?? {});
}

function askPause(refresh) {
  const note = noteField();
  const arriving = isKnown(status.arrivals_per_minute) ? `; now ${number(status.arrivals_per_minute)} arrive a minute, the mean of 15 minutes` : "";
  ask(
    "Pause the schedule?",
    [
      el("ul", { class: "says" },
        el("li", {}, "Nothing is forwarded until somebody resumes; a deploy does not resume."),
        el("li", {}, `New uploads are still queued, and the backlog grows${arriving}. The source queue keeps a message for 14 days. Those that it would delete within a day are sent anew once an hour, as far as SQS shows them.`),
        el("li", {}, `What is already in the destination queue (${number(status.queues?.destination?.visible)}) is still handled, and what was forwarded already becomes due within ${ACTS_WITHIN_S} seconds.`),
      ),
      note.box,
    ],
    "Pause",
    async () => {
      await post("schedule/pause", noted(note));
      refresh();
      return "Paused. Nothing is forwarded until somebody resumes.";
    },
    { danger: true },
  );
}

function askResume(refresh) {
  const backlog = waiting();
  const note = noteField();
  ask(
    "Resume the schedule?",
    [
      el("ul", { class: "says" },
        el("li", {}, `Up to ${number(status.capacity)} events a minute are forwarded again.`),
        el("li", {}, backlog ? `${number(backlog)} ${backlog === 1 ? "waits" : "wait"}: ${takes(status.capacity)}.` : "Nothing waits now."),
      ),
      note.box,
    ],
    "Resume",
    async () => {
      await post("schedule/resume", noted(note));
      refresh();
      return "Resumed. The next tick comes within a minute.";
    },
  );
}

function takes(capacity) {
  const backlog = waiting();
  if (!isKnown(backlog) || !capacity) return "how long the backlog takes is not known";
  if (!backlog) return "nothing waits now";
  const ticks = Math.ceil(backlog / capacity);
  return `at this capacity the backlog takes about ${duration(ticks * 60)}, if nothing more arrives`;
}

function askCapacity(refresh) {
  const field = el("input", {
    id: "capacity-field", type: "number", inputmode: "numeric", min: "1", step: "1",
    value: String(status.capacity), required: true, "aria-describedby": "capacity-effect",
  });
  const effect = el("p", { class: "says", id: "capacity-effect" });
  const wanted = () => (/^\d+$/.test(field.value.trim()) ? Number(field.value) : NaN);
  const show = () => {
    const capacity = wanted();
    const pace = status.arrivals_per_minute;
    const slow = isKnown(pace) && capacity < pace ? ` ${number(pace)} arrive a minute, the mean of 15 minutes: the backlog will grow.` : "";
    setText(effect, capacity >= 1
      ? `At most ${number(capacity)} events a minute will be forwarded (now ${number(status.capacity)}); ${takes(capacity)}.${slow}`
      : `A whole number, 1 or more.`);
  };
  field.addEventListener("input", show);
  show();
  const deployed = status.capacity_deployed;
  const more = isKnown(status.capacity_set) ? [[`Back to deployed (${number(deployed ?? null)})`, () => set(null)]] : [];
  const note = noteField();
  const set = async (capacity) => {
    const answer = await put("capacity", noted(note, { capacity }));
    refresh();
    const now = answer.capacity ?? capacity;
    return `Capacity is ${isKnown(now) ? number(now) : UNKNOWN} events a minute, from the next tick on; what was forwarded already becomes due within ${ACTS_WITHIN_S} seconds.`;
  };
  const dialog = ask(
    "Capacity",
    [el("label", { for: "capacity-field" }, "Events a minute"), field, effect, note.box],
    "Set the capacity",
    // What is not a number goes to the API as it is: its answer names what is wrong.
    () => set(Number.isNaN(wanted()) ? field.value : wanted()),
    { more },
  );
  dialog.querySelector("input").focus();
  field.select();
}
