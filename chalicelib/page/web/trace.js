// Where one object is, and how long each leg took, from GET /objects/{key}.

import { get, part, thumbnail } from "./api.js";
import { open } from "./dialog.js";
import { el } from "./dom.js";
import { bytes, clock, duration, isKnown, moment, name, UNKNOWN } from "./format.js";
import { icon } from "./icons.js";

const STATES = {
  done: ["ok", "Done"],
  rejected: ["bad", "Rejected"],
  retrying: ["wait", "Tried again later"],
  waiting: ["wait", "Waiting: uploaded, no outcome yet"],
  deleted: ["unknown", "Deleted"],
  ignored: ["unknown", "Ignored: the stage leaves such objects alone"],
  "folder marker": ["unknown", "A folder marker: nothing to do"],
  "not seen": ["unknown", "Not seen"],
};
const LEGS = [
  ["waited_in_source", "In the source queue"],
  ["waited_in_destination", "In the destination queue"],
  ["worked", "Worked on"],
];

/** Opens the panel at once and fills it when the answer is there. */
export async function trace(key) {
  const content = el("div", { class: "trace", "aria-live": "polite" }, el("p", { class: "quiet-text" }, "Looking ..."));
  open("Where is it?", [el("p", { class: "trace-key" }, el("bdi", {}, name(key))), content], true);
  try {
    content.replaceChildren(...told(await get(`objects/${part(key)}`)));
  } catch (error) {
    content.replaceChildren(el("p", { class: "problem" }, error.message));
  }
}

function told(found) {
  const [state, text] = STATES[found.state] ?? ["unknown", String(found.state)];
  return [
    el("p", {}, el("span", { class: `pill ${state}` }, icon(state), text), found.known_from ? el("span", { class: "small" }, ` known from ${found.known_from}`) : null),
    found.reason ? el("p", { class: "reason" }, el("bdi", {}, found.reason)) : null,
    el("h3", {}, "Its way"),
    way(found.legs ?? {}),
    el("h3", {}, "The object"),
    object(found.object),
    found.thumbnails?.length ? el("h3", {}, "Thumbnails") : null,
    el("ul", { class: "made" }, ...(found.thumbnails ?? []).map(made)),
    found.not_known?.length ? el("h3", {}, "What cannot be known") : null,
    el("ul", { class: "small" }, ...(found.not_known ?? []).map((line) => el("li", {}, String(line)))),
  ].filter(Boolean);
}

function way(legs) {
  const times = [["Uploaded", legs.uploaded], ["Forwarded", legs.forwarded], ["Started", legs.started], ["Done", legs.done]];
  return el(
    "dl",
    { class: "facts" },
    ...times.flatMap(([text, at]) => fact(text, clock(moment(at)))),
    ...LEGS.flatMap(([leg, text]) => fact(text, isKnown(legs[leg]) ? duration(legs[leg]) : UNKNOWN)),
  );
}

function fact(term, value) {
  return [el("div", {}, el("dt", {}, term), el("dd", { title: value === UNKNOWN ? "not known" : null }, value))];
}

function object(found) {
  if (!found?.exists) return el("p", {}, found?.exists === false ? "It is not in the images bucket." : "Not known.");
  const changed = clock(moment(found.last_modified));
  return el("dl", { class: "facts" }, ...fact("Size", bytes(found.size)), ...fact("Last modified", changed), ...fact("ETag", String(found.etag ?? UNKNOWN)));
}

function made(one) {
  const image = el("img", { src: thumbnail(one.key), alt: "", loading: "lazy" });
  image.addEventListener("error", () => image.remove());
  const old = one.of_this_version === false ? el("span", { class: "pill warn" }, icon("warn"), "of an older version") : null;
  return el("li", {}, image, el("span", { class: "name" }, el("bdi", {}, name(one.key))), el("span", { class: "small" }, `${bytes(one.size)} · ${clock(moment(one.made_at))}`), old);
}
