// Pause, resume, and the capacity: each says what will happen before it does it.

import { broken, post, put } from "./api.js";
import { ask } from "./dialog.js";
import { byId, el, setText } from "./dom.js";
import { count, duration, isKnown, number, UNKNOWN } from "./format.js";
import { icon } from "./icons.js";
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
  setText(byId("schedule-says"), known ? (paused ? "Paused" : "A tick every minute") : (broken(latest.schedule) ?? "Not known"));
  setText(byId("capacity-value"), number(latest.capacity));
  byId("capacity").disabled = !isKnown(latest.capacity);
  setText(byId("capacity-says"), capacitySays(latest));
}

function capacitySays({ capacity, capacity_set: set, capacity_deployed: deployed, max_in_destination: most }) {
  const origin = !isKnown(capacity) ? "not known" : isKnown(set) ? `set here; deployed: ${number(deployed)}` : "as deployed";
  return isKnown(most) ? `${origin}; at most ${number(most)} in the destination` : origin;
}

function waiting() {
  return waits(status ?? {});
}

function askPause(refresh) {
  const arriving = isKnown(status.arrivals_per_minute) ? `; now about ${number(status.arrivals_per_minute)} arrive a minute` : "";
  ask(
    "Pause the schedule?",
    [
      el("ul", { class: "says" },
        el("li", {}, "Ticks run, and nothing is forwarded, until somebody resumes; no deploy does."),
        el("li", {}, `New uploads are still queued, and the backlog grows${arriving}. The source queue keeps a message for 14 days. What is a day from that a paused tick sends anew once an hour, as far as SQS shows it.`),
        el("li", {}, `What is already in the destination queue (${number(status.queues?.destination?.visible)}) is still handled, and what was forwarded already becomes due within ${ACTS_WITHIN_S} seconds.`),
      ),
    ],
    "Pause",
    async () => {
      await post("schedule/pause");
      refresh();
      return "Paused. Ticks forward nothing until somebody resumes.";
    },
    { danger: true },
  );
}

function askResume(refresh) {
  const backlog = waiting();
  ask(
    "Resume the schedule?",
    [
      el("ul", { class: "says" },
        el("li", {}, `A tick runs every minute again, and forwards up to ${number(status.capacity)} events each time.`),
        el("li", {}, backlog ? `${number(backlog)} wait: ${takes(status.capacity)}.` : "Nothing waits now."),
      ),
    ],
    "Resume",
    async () => {
      await post("schedule/resume");
      refresh();
      return "Resumed. The next tick comes within a minute.";
    },
  );
}

function takes(capacity) {
  const backlog = waiting();
  if (!isKnown(backlog) || !capacity) return "how long the backlog takes is not known";
  const ticks = Math.ceil(backlog / capacity);
  return `at this capacity the backlog takes ${count(ticks, "tick")}, about ${duration(ticks * 60)}, if nothing more arrives`;
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
    const slow = isKnown(pace) && capacity < pace ? ` About ${number(pace)} arrive a minute: the backlog will grow.` : "";
    setText(effect, capacity >= 1
      ? `Each tick will forward at most ${number(capacity)} events, now ${number(status.capacity)}; ${takes(capacity)}.${slow}`
      : `A whole number, 1 or more.`);
  };
  field.addEventListener("input", show);
  show();
  const deployed = status.capacity_deployed;
  const more = isKnown(status.capacity_set) ? [[`Back to deployed (${number(deployed ?? null)})`, () => set(null)]] : [];
  const set = async (capacity) => {
    const answer = await put("capacity", { capacity });
    refresh();
    const now = answer.capacity ?? capacity;
    return `Capacity is ${isKnown(now) ? number(now) : UNKNOWN} events a tick, from the next tick on; what was forwarded already becomes due within ${ACTS_WITHIN_S} seconds.`;
  };
  const dialog = ask(
    "Capacity",
    [el("label", { for: "capacity-field" }, "Events a tick (a minute)"), field, effect],
    "Set the capacity",
    // What is not a number goes to the API as it is: its answer names what is wrong.
    () => set(Number.isNaN(wanted()) ? field.value : wanted()),
    { more },
  );
  dialog.querySelector("input").focus();
  field.select();
}
