// What the last uploads turned into, from GET /recent: the thumbnail itself beside the name.

import { get, thumbnail } from "./api.js";
import { byId, el, keyed, setText } from "./dom.js";
import { clock, duration, moment, name } from "./format.js";
import { icon } from "./icons.js";
import { trace } from "./trace.js";

const SHOWN = 12;
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
    if (key) trace(key);
  });
}

export async function askRecent() {
  const note = byId("recent-note");
  try {
    const { objects = [], error } = await get("recent", { limit: SHOWN });
    keyed(byId("recent"), objects, (one) => one.id ?? `${one.at} ${one.key}`, row);
    setText(note, error ?? (objects.length ? "" : "Nothing was handled lately. Drop an image into the bucket, and it shows up here after the next tick."));
  } catch (error) {
    setText(note, `Not up to date: ${error.message}`);
    throw error;
  }
}

function row(one) {
  const [state, text] = OUTCOMES[one.outcome] ?? ["unknown", String(one.outcome)];
  const found = el("button", { type: "button", class: "link name", "data-keep": `trace ${one.id}` }, el("bdi", {}, name(one.key)));
  found.addEventListener("click", () => trace(one.key));
  return el(
    "li",
    { class: "upload" },
    picture(one.thumbnails?.[0], one.outcome),
    el("div", { class: "grow" }, found, one.reason ? el("p", { class: "reason" }, el("bdi", {}, one.reason)) : null),
    el("div", { class: "aside" },
      el("span", { class: `pill ${state}` }, icon(state), text),
      el("span", { class: "small" }, `${duration(one.seconds)} · ${clock(moment(one.at))}`)),
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
