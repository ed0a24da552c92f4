// What is asked before dead letters are sent back or discarded, and one letter whole.

import { get, part, post } from "./api.js";
import { ask, copyButton, noteField, open } from "./dialog.js";
import { el, long } from "./dom.js";
import { count, isKnown, name, number } from "./format.js";
import { link, on } from "./route.js";
import { time } from "./times.js";

const ACTS = {
  redrive: {
    title: "Send dead letters back?",
    button: "Redrive",
    says: ["They go through the pipeline again, within the capacity; more than ten of them after new uploads.", "What still fails comes back here, with its reason."],
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
  const note = noteField();
  const letters = isKnown(many) ? count(many, "dead letter") : "Those dead letters";
  const which = what === "all" ? `All dead letters (${number(many)})` : `${letters} ${name(what)}`;
  ask(
    title,
    [
      el("ul", { class: "says" }, el("li", {}, el("bdi", {}, `${which}.`)), ...says.map((line) => el("li", {}, line))),
      note.box,
    ],
    button,
    async () => {
      await post(`dead-letters/${act}`, { ...given(body), ...given({ note: note.text() }) });
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

export function startLetterDialogs() {
  on("letter", (id) => showLetter(id));
}

/** Opens the panel at once and fills it when the answer is there. */
function showLetter(id) {
  const content = el("div", { class: "trace", "aria-live": "polite" }, el("p", { class: "quiet-text" }, "Reading ..."));
  get(`dead-letters/${part(id)}`).then(
    (letter) => content.replaceChildren(...told(letter)),
    (error) => content.replaceChildren(el("p", { class: "problem" }, error.message)),
  );
  return open("Dead letter", [content], true);
}

function told(letter) {
  const facts = [
    ["Code", el("a", { href: `web/codes.html#${letter.code}`, target: "_blank", rel: "noopener" }, letter.code)],
    ["Given up by", letter.function],
    ["At", time(letter.rejected_at, "both")],
    ["Tries", letter.tries ? number(letter.tries) : null],
    ["First failure", letter.first_failure ? time(letter.first_failure, "both") : null],
    ["Moved by the queue", letter.queue],
    ["Bucket", letter.bucket],
    ["Whole body", letter.body_bytes ? `${number(letter.body_bytes)} bytes, SHA-256 ${letter.body_sha256}` : null],
  ].filter(([, value]) => value);
  return [
    letter.key ? el("p", { class: "trace-key" }, el("a", { href: link("object", letter.key) }, el("bdi", {}, name(letter.key)))) : null,
    el("p", { class: "row" }, letter.key ? copyButton(letter.key, "Copy the key") : null, copyButton(letter.reason, "Copy the reason"), copyButton(location.href, "Copy a link to this")),
    el("p", { class: "reason" }, long(name(letter.reason), 600)),
    el("p", { class: "small" }, `${letter.means} Send back? ${letter.send_back}`),
    el("dl", { class: "facts" }, ...facts.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, el("bdi", {}, value))))),
    el("h3", {}, "Its body"),
    el("pre", { class: "name body", tabindex: "0" }, name(letter.body)),
    el("p", { class: "row" }, copyButton(letter.body, "Copy the body"), el("a", { href: `dead-letters/${part(letter.id)}`, download: `${letter.id}.json` }, "Download the letter")),
    el("p", { class: "small" }, letter.id),
  ].filter(Boolean);
}
