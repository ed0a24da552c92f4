// Dead letters by reason, sent back all at once or reason by reason, and how far that is.

import { broken, get, post } from "./api.js";
import { ask } from "./dialog.js";
import { byId, el, keyed, setText } from "./dom.js";
import { clock, count, isKnown, moment, name, number } from "./format.js";
import { trace } from "./trace.js";
import { deadLetters } from "./verdict.js";

const LIMIT = 20;
const READ_AGAIN = 60_000; // milliseconds; reading hides them from other readers for some seconds

let latest = null; // how many there are
let seen = null; // how many there were when they were last read
let readAt = 0;
let redriving = false; // SQS is at it

export function startLetters(poll) {
  byId("redrive-all").addEventListener("click", () => askRedrive(null, null, poll));
  byId("letters-again").addEventListener("click", () => {
    readAt = 0;
    poll.now();
  });
}

/** Whether to read them now: how many there are comes with every status; the letters themselves are read when that has changed. */
export function lettersToRead(status) {
  const total = deadLetters(status);
  latest = total;
  byId("redrive-all").hidden = !total;
  if (total === null) setText(byId("letters-note"), `Not known: ${broken(status.queues?.dead_letter) ?? "no answer"}`);
  return isKnown(total) && (total !== seen || (total > 0 && Date.now() - readAt > READ_AGAIN) || redriving);
}

export async function askLetters(total, poll) {
  const note = byId("letters-note");
  try {
    const answer = total === 0 ? { total: 0, reasons: {}, letters: [], complete: true } : await get("dead-letters", { limit: LIMIT });
    const shown = answer.letters?.length ?? 0;
    const hidden = total > 0 && shown === 0; // another reader has them just now
    seen = hidden ? null : total;
    readAt = Date.now();
    if (hidden) setText(note, `${count(total, "dead letter")}, which somebody reads just now. Asking again.`);
    else showLetters(answer, poll);
    await askRedrives();
  } catch (error) {
    setText(note, `Not up to date: ${error.message}`);
    throw error;
  }
}

function showLetters({ reasons = {}, letters = [], total, complete }, poll) {
  const byMany = Object.entries(reasons).sort(([, a], [, b]) => b - a);
  keyed(byId("reasons"), byMany, ([reason]) => reason, (one) => reasonRow(one, poll));
  keyed(byId("letters"), letters, (letter) => letter.id, letterRow);
  byId("letters-box").hidden = letters.length === 0;
  const part = ` Shown: ${number(letters.length)} of ${number(total)}; the reasons count only what was read.`;
  const all = `${count(total, "dead letter")}.${complete === false ? part : ""}`;
  setText(byId("letters-note"), total === 0 ? "None. Everything that could be handled was." : all);
}

async function askRedrives() {
  const { tasks = [] } = await get("dead-letters/redrive");
  redriving = tasks.some((task) => task.status === "RUNNING");
  keyed(byId("redrives"), tasks.slice(0, redriving ? 3 : 1), (task) => `${task.started}`, (task) => {
    const bar = isKnown(task.moved) && isKnown(task.to_move) ? el("progress", { max: Math.max(1, task.to_move), value: task.moved, "aria-label": "Redriven" }) : null;
    const of = isKnown(task.to_move) ? ` of ${number(task.to_move)}` : "";
    const why = task.reason ? ` (${task.reason})` : "";
    return el("li", {}, `Redrive of ${clock(moment(task.started))}: ${String(task.status).toLowerCase()}, ${number(task.moved)}${of} sent back${why}`, bar);
  });
}

function reasonRow([reason, many], poll) {
  const button = el("button", { type: "button", "data-keep": `redrive ${reason}`, "aria-label": `Redrive those with the reason: ${reason}` }, "Redrive");
  button.addEventListener("click", () => askRedrive(reason, many, poll));
  return el("li", {}, el("b", { class: "many" }, number(many)), el("span", { class: "grow reason" }, el("bdi", {}, reason)), button);
}

function letterRow(letter) {
  const shown = letter.key ?? letter.body ?? "";
  const what = letter.key
    ? el("button", { type: "button", class: "link name", "data-keep": `letter ${letter.id}` }, el("bdi", {}, name(shown)))
    : el("code", { class: "name" }, name(shown).slice(0, 300));
  if (letter.key) what.addEventListener("click", () => trace(letter.key));
  const from = [letter.function, letter.rejected_at ? clock(moment(letter.rejected_at)) : null].filter(Boolean).join(", ");
  return el("li", {}, what, el("p", { class: "reason" }, el("bdi", {}, letter.reason ?? "no reason given: it was tried too often")), el("p", { class: "small" }, from));
}

function askRedrive(reason, many, poll) {
  const which = reason === null ? `All dead letters (${number(latest)})` : `${count(many, "dead letter")} with this reason`;
  ask(
    reason === null ? "Send all dead letters back?" : "Send these dead letters back?",
    [
      reason === null ? null : el("p", { class: "reason" }, el("bdi", {}, reason)),
      el("ul", { class: "says" },
        el("li", {}, `${which} go to the source queue, and then through the same capacity again as new uploads do.`),
        el("li", {}, "What has not been mended comes back here, with its reason."),
      ),
    ].filter(Boolean),
    "Redrive",
    async () => {
      const answer = await post("dead-letters/redrive", reason === null ? undefined : { reason });
      seen = null;
      redriving = true;
      poll.now();
      return answer.says ?? (isKnown(answer.moved) ? `${count(answer.moved, "dead letter")} sent back.` : "The redrive has begun.");
    },
  );
}
