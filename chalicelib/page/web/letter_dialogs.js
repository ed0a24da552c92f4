// What is asked before dead letters are sent back or discarded, and one letter whole.

import { get, part, post } from "./api.js";
import { ask, open, tell } from "./dialog.js";
import { el } from "./dom.js";
import { clock, count, moment, name, number } from "./format.js";

const ACTS = {
  redrive: {
    title: "Send dead letters back?",
    button: "Redrive",
    says: ["They go to the source queue, and then through the same capacity again as new uploads do.", "What has not been mended comes back here, with its reason."],
    begun: "The redrive has begun.",
  },
  discard: {
    title: "Discard dead letters?",
    button: "Discard for good",
    says: ["They are deleted for good; the log of the letters function names each.", "The objects themselves stay where they are."],
    begun: "The discard has begun.",
  },
};

/** Asks, and then begins; `what` says which letters, `body` selects them for the API. */
export function askRun(act, what, many, body, begun) {
  const { title, button, says, begun: said } = ACTS[act];
  const note = el("input", { id: "run-note", maxlength: "500", autocomplete: "off", placeholder: "why, for whoever looks later" });
  const which = what === "all" ? `All dead letters (${number(many)})` : `${count(many, "dead letter")} ${what}`;
  ask(
    title,
    [
      el("ul", { class: "says" }, el("li", {}, el("bdi", {}, `${which}.`)), ...says.map((line) => el("li", {}, line))),
      el("label", { for: "run-note" }, "Note"),
      note,
    ],
    button,
    async () => {
      await post(`dead-letters/${act}`, { ...given(body), ...given({ note: note.value.trim() }) });
      begun();
      return said;
    },
    { danger: act === "discard" },
  );
}

/** Without what is empty. */
function given(body) {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== ""));
}

/** Opens the panel at once and fills it when the answer is there. */
export async function showLetter(id) {
  const content = el("div", { class: "trace", "aria-live": "polite" }, el("p", { class: "quiet-text" }, "Reading ..."));
  open("Dead letter", [content], true);
  try {
    content.replaceChildren(...told(await get(`dead-letters/${part(id)}`)));
  } catch (error) {
    content.replaceChildren(el("p", { class: "problem" }, error.message));
  }
}

function copyButton(text) {
  const button = el("button", { type: "button" }, "Copy the body");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      tell("Copied.");
    } catch {
      tell("The browser does not let it be copied.");
    }
  });
  return button;
}

function told(letter) {
  const facts = [
    ["Code", letter.code],
    ["Given up by", letter.function],
    ["At", clock(moment(letter.rejected_at))],
    ["Tries", letter.tries ? number(letter.tries) : null],
    ["First failure", letter.first_failure ? clock(moment(letter.first_failure)) : null],
    ["Moved by the queue", letter.queue],
    ["Bucket", letter.bucket],
    ["Whole body", letter.body_bytes ? `${number(letter.body_bytes)} bytes, SHA-256 ${letter.body_sha256}` : null],
  ].filter(([, value]) => value);
  return [
    letter.key ? el("p", { class: "trace-key" }, el("bdi", {}, name(letter.key))) : null,
    el("p", { class: "reason" }, el("bdi", {}, letter.reason)),
    el("p", { class: "small" }, `${letter.means} Send back? ${letter.send_back}`),
    el("dl", { class: "facts" }, ...facts.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, el("bdi", {}, String(value)))))),
    el("h3", {}, "Its body"),
    el("pre", { class: "name body", tabindex: "0" }, name(letter.body)),
    el("p", { class: "row" }, copyButton(letter.body), el("a", { href: `dead-letters/${part(letter.id)}`, download: `${letter.id}.json` }, "Download the letter")),
    el("p", { class: "small" }, letter.id),
  ].filter(Boolean);
}
