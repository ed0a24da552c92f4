// What became of the last uploads, and which of them wait, from GET /recent: the thumbnail itself beside the name.

import { broken, get, thumbnail } from "./api.js";
import { byId, el, keyed, long, setText } from "./dom.js";
import { count, duration, name } from "./format.js";
import { icon } from "./icons.js";
import { go, link } from "./route.js";
import { time } from "./times.js";

const SHOWN = 12;
const WAITING = 5; // named; the others are a number
export const OUTCOMES = {
  done: ["ok", "done"],
  rejected: ["bad", "rejected"],
  retry: ["wait", "tried again later"],
  untried: ["wait", "not tried yet"],
  ignored: ["ok", "ignored"],
};

export function startRecent() {
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    const key = byId("find-key").value;
    if (event.submitter?.id === "find-prefix") go(link("objects", "", { prefix: key }));
    else if (key) go(link("object", key));
  });
}

export async function askRecent() {
  const note = byId("recent-note");
  try {
    const { objects = [], waiting, error } = await get("recent", { limit: SHOWN });
    keyed(byId("recent"), objects, (one) => one.id ?? `${one.at} ${one.key}`, row);
    showWaiting(waiting);
    setText(note, error ?? (objects.length ? "" : "Nothing was handled lately. Drop an image into the bucket, and it shows up here after the next tick."));
  } catch (error) {
    setText(note, `Not up to date: ${error.message}`);
    throw error;
  }
}

/** What was uploaded last and has no end yet; SQS itself cannot be searched. */
function showWaiting(waiting) {
  const wrong = broken(waiting);
  const objects = wrong ? [] : (waiting?.objects ?? []);
  const shown = objects.slice(0, WAITING);
  keyed(byId("waiting"), shown, (one) => one.id, (one) =>
    el("li", { class: "upload" }, el("div", { class: "grow" }, objectLink(one.key)),
      el("div", { class: "aside" }, el("span", { class: "pill wait" }, icon("wait"), "waits"), el("span", { class: "small" }, "uploaded ", time(one.at, "ago")))));
  setText(byId("waiting-note"), wrong ? `What waits is not known: ${wrong}` : waits(waiting, objects.length, shown.length));
}

function waits(waiting, all, shown) {
  if (waiting === null) return "Which objects wait is not known: S3 writes to the queue itself.";
  if (!waiting?.uploads) return "";
  const more = all > shown ? `; the newest ${shown}:` : "";
  return all ? `Of the last ${count(waiting.uploads, "upload")} ${all} ${all === 1 ? "waits" : "wait"}${more}` : `Of the last ${count(waiting.uploads, "upload")} none waits.`;
}

function objectLink(key) {
  return el("a", { class: "name clamp", href: link("object", key), title: name(key), "data-keep": `object ${key}` }, el("bdi", {}, name(key)));
}

function row(one) {
  const [state, text] = OUTCOMES[one.outcome] ?? ["unknown", String(one.outcome)];
  return el(
    "li",
    { class: "upload" },
    picture(one.thumbnails?.[0], one.outcome),
    el("div", { class: "grow" }, objectLink(one.key), one.reason ? el("p", { class: "reason" }, long(name(one.reason))) : null),
    el("div", { class: "aside" },
      el("span", { class: `pill ${state}` }, icon(state), text),
      el("span", { class: "small" }, `${duration(one.seconds)} · `, time(one.at))),
  );
}

/** The thumbnail; what cannot be shown is a placeholder, not a broken image. */
export function picture(key, outcome = "done") {
  const frame = el("div", { class: "frame" });
  const instead = () => frame.replaceChildren(icon(outcome === "rejected" ? "bad" : "image"));
  if (!key) {
    instead();
    return frame;
  }
  // The name is beside it: to a screen reader the image would only say it twice.
  const image = el("img", { src: thumbnail(key), alt: "", loading: "lazy", width: "48", height: "48" });
  image.addEventListener("error", instead);
  frame.append(image);
  return frame;
}
