// Where one object is, and how long each leg took, from GET /objects/{key}.

import { get, part, thumbnail } from "./api.js";
import { copyButton, open } from "./dialog.js";
import { el, long } from "./dom.js";
import { bytes, duration, isKnown, name, UNKNOWN } from "./format.js";
import { icon } from "./icons.js";
import { link, on } from "./route.js";
import { time } from "./times.js";

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

export function startTrace() {
  on("object", (key) => trace(key));
  on("objects", (_, query) => list(query.prefix ?? ""));
}

/** Opens the panel at once and fills it when the answer is there. */
function trace(key) {
  const content = el("div", { class: "trace", "aria-live": "polite" }, el("p", { class: "quiet-text" }, "Looking ..."));
  const again = el("button", { type: "button", class: "copy" }, "Look again");
  const look = async () => {
    again.disabled = true;
    try {
      content.replaceChildren(...told(await get(`objects/${part(key)}`)));
    } catch (error) {
      content.replaceChildren(el("p", { class: "problem" }, error.message));
    } finally {
      again.disabled = false;
    }
  };
  again.addEventListener("click", look);
  const head = [
    el("p", { class: "trace-key" }, el("bdi", {}, name(key))),
    el("p", { class: "row" }, copyButton(key, "Copy the key"), copyButton(location.href, "Copy a link to this"), again),
  ];
  look();
  return open("Where is it?", [...head, content], true);
}

/** The objects whose keys begin so, page by page; each leads to its trace. */
function list(prefix) {
  const rows = el("ul", { class: "list" });
  const says = el("p", { class: "quiet-text", "aria-live": "polite" }, "Looking ...");
  const more = el("button", { type: "button", hidden: true }, "More");
  let after = "";
  const read = async () => {
    more.disabled = true;
    try {
      const found = await get("objects", { prefix, after, limit: 50 });
      rows.append(...found.objects.map(({ key, size, last_modified: at }) =>
        el("li", {}, el("a", { class: "name", href: link("object", key) }, el("bdi", {}, name(key))), el("p", { class: "small" }, `${bytes(size)} · `, time(at, "both")))));
      after = found.next ?? "";
      more.hidden = !after;
      says.textContent = rows.children.length ? `${rows.children.length}${after ? ", and there are more" : ""}, by key` : "No object in the images bucket has such a key.";
    } catch (error) {
      says.textContent = error.message;
    } finally {
      more.disabled = false;
    }
  };
  more.addEventListener("click", read);
  read();
  const letters = el("a", { href: link("letters", "", { prefix }) }, "Dead letters of such keys");
  return open("Objects by prefix", [el("p", { class: "trace-key" }, el("bdi", {}, name(prefix))), says, rows, el("p", { class: "row" }, more, prefix ? letters : null)], true);
}

function told(found) {
  const [state, text] = STATES[found.state] ?? ["unknown", String(found.state)];
  return [
    el("p", {}, el("span", { class: `pill ${state}` }, icon(state), text), found.known_from ? el("span", { class: "small" }, ` known from ${found.known_from}`) : null),
    found.reason ? el("p", { class: "reason" }, long(name(found.reason), 400)) : null,
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
    ...times.flatMap(([text, at]) => fact(text, time(at))),
    ...LEGS.flatMap(([leg, text]) => fact(text, isKnown(legs[leg]) ? duration(legs[leg]) : UNKNOWN)),
  );
}

function fact(term, value) {
  return [el("div", {}, el("dt", {}, term), el("dd", { title: value === UNKNOWN ? "not known" : null }, value))];
}

function object(found) {
  if (!found?.exists) return el("p", {}, found?.exists === false ? "It is not in the images bucket." : "Not known.");
  return el("dl", { class: "facts" }, ...fact("Size", bytes(found.size)), ...fact("Last modified", time(found.last_modified)), ...fact("ETag", String(found.etag ?? UNKNOWN)));
}

function made(one) {
  const image = el("img", { src: thumbnail(one.key), alt: "", loading: "lazy" });
  image.addEventListener("error", () => image.remove());
  const old = one.of_this_version === false ? el("span", { class: "pill warn" }, icon("warn"), "of an older version") : null;
  return el("li", {}, image, el("span", { class: "name" }, el("bdi", {}, name(one.key))), el("span", { class: "small" }, `${bytes(one.size)} · `, time(one.made_at)), old);
}
