// Dead letters: how many by code, the letters themselves page by page, and how far a redrive or a discard is.

import { broken, get } from "./api.js";
import { byId, el, keyed, setText } from "./dom.js";
import { ago, clock, count, isKnown, moment, name, number } from "./format.js";
import { askRun, showLetter } from "./letter_dialogs.js";
import { trace } from "./trace.js";
import { deadLetters } from "./verdict.js";

const LIMIT = 20;
const MOST = 100; // in one page of the API
const READ_AGAIN = 60_000; // milliseconds
const STATES = { asked: "wait", running: "wait", done: "ok", stopped: "warn" };

let latest = null; // how many are filed and being filed, by the last status
let seen = null; // the same, when the letters were last read
let readAt = 0;
let running = false; // a redrive or a discard is on its way
let poll = null;
let shown = LIMIT;
let matching = 0; // how many the filter leaves
let chosen = new Set(); // ids
const filter = { code: "", prefix: "" };

export function startLetters(given) {
  poll = given;
  for (const act of ["redrive", "discard"]) byId(`${act}-all`).addEventListener("click", () => run(act));
  byId("letters-again").addEventListener("click", again);
  byId("letters-filter").addEventListener("submit", (event) => {
    event.preventDefault();
    narrow({ prefix: byId("letters-prefix").value });
  });
  byId("letters-more").addEventListener("click", () => {
    shown += LIMIT;
    again();
  });
}

function again() {
  seen = null;
  poll.now();
}

function narrow(to) {
  Object.assign(filter, to);
  shown = LIMIT;
  chosen = new Set();
  again();
}

/** What the buttons above the list are about: the letters that are chosen, those the filter leaves, or all. */
function selection() {
  if (chosen.size) return { what: "selected", many: chosen.size, body: { ids: [...chosen] } };
  const words = [filter.code && `with the code ${filter.code}`, filter.prefix && `whose keys begin with ${filter.prefix}`].filter(Boolean);
  if (words.length) return { what: words.join(" and "), many: matching, body: { ...filter } };
  return { what: "all", many: matching, body: { all: true } };
}

function run(act, { what, many, body } = selection()) {
  askRun(act, what, many, body, () => {
    running = true;
    chosen = new Set();
    again();
  });
}

function counted(said) {
  return `${said?.total} ${said?.being_filed}`;
}

/** Whether to read them now: how many there are comes with every status; the letters are read when that has changed. */
export function lettersToRead(status) {
  const total = deadLetters(status);
  latest = counted(status.dead_letters);
  if (total === null) setText(byId("letters-note"), `Not known: ${broken(status.dead_letters) ?? "no answer"}`);
  return isKnown(total) && (latest !== seen || (total > 0 && Date.now() - readAt > READ_AGAIN) || running);
}

export async function askLetters() {
  const note = byId("letters-note");
  try {
    const found = await pages();
    showLetters(found);
    seen = counted(found); // of this very answer: one that is older than the status is read again
    readAt = Date.now();
    await askRuns();
  } catch (error) {
    setText(note, `Not up to date: ${error.message}`);
    throw error;
  }
}

/** As many letters as are shown, which may be several pages. */
async function pages() {
  const found = await get("dead-letters", { ...filter, limit: Math.min(MOST, shown) });
  for (let read = MOST; found.next && read < shown; read += MOST) {
    const more = await get("dead-letters", { ...filter, limit: Math.min(MOST, shown - read), after: found.next });
    found.letters.push(...more.letters);
    found.next = more.next;
  }
  return found;
}

function showLetters(found) {
  const { codes = {}, letters = [], total = 0, being_filed: filing = 0, complete } = found;
  matching = found.matching ?? total;
  chosen = new Set([...chosen].filter((id) => letters.some((letter) => letter.id === id)));
  const rows = Object.entries(codes).map(([code, of]) => ({ code, of, only: filter.code === code }));
  keyed(byId("codes"), rows, ({ code }) => code, codeRow);
  keyed(byId("letters"), letters.map((letter) => ({ ...letter, chosen: chosen.has(letter.id) })), ({ id }) => id, letterRow);
  byId("letters-box").hidden = total === 0;
  byId("letters-more").hidden = !found.next;
  const filed = `${count(total, "dead letter")}${complete === false ? " or more: there are too many to list in time" : ""}`;
  const waiting = filing > 0 ? `; ${number(filing)} being filed` : "";
  const left = total > 0 || filing > 0;
  setText(byId("letters-note"), left ? `${filed}${waiting}.` : "None. Everything that could be handled was.");
  setText(byId("letters-shown"), letters.length ? `${number(letters.length)} of ${number(matching)}, newest first` : "None of them.");
  showButtons();
}

function showButtons() {
  const { what, many } = selection();
  for (const [act, text] of [["redrive", "Redrive"], ["discard", "Discard"]]) {
    const button = byId(`${act}-all`);
    button.hidden = !many;
    setText(button, `${text} ${what === "all" ? "all" : number(many)}`);
  }
}

async function askRuns() {
  const { runs = [] } = await get("dead-letters/redrive");
  running = runs.some((run) => ["asked", "running"].includes(run.status));
  keyed(byId("redrives"), runs.slice(0, running ? 3 : 1), (run) => run.id, (run) => {
    const going = STATES[run.status] === "wait" && isKnown(run.left);
    const bar = going ? el("progress", { max: Math.max(1, run.moved + run.left), value: run.moved, "aria-label": `${run.do}: progress` }) : null;
    const by = [`by ${run.by}`, run.note].filter(Boolean).join(": ");
    const of = going ? `: ${number(run.moved)} of ${number(run.moved + run.left)}` : "";
    return el("li", {},
      el("span", {}, el("span", { class: `pill ${STATES[run.status] ?? "unknown"}` }, `${run.do} ${run.status}${of}`), ` ${clock(moment(run.started))}`),
      bar,
      el("p", { class: "small" }, el("bdi", {}, run.says ?? "")),
      el("p", { class: "small" }, el("bdi", {}, by)));
  });
}

function codeRow({ code, of, only: alone }) {
  const only = el("button", { type: "button", class: "link name", "data-keep": `code ${code}`, "aria-pressed": String(alone) }, code);
  only.addEventListener("click", () => narrow({ code: alone ? "" : code }));
  const button = el("button", { type: "button", "data-keep": `redrive ${code}`, "aria-label": `Redrive those with the code ${code}` }, "Redrive");
  button.addEventListener("click", () => run("redrive", { what: `with the code ${code}`, many: of.letters, body: { code } }));
  return el("li", {}, el("b", { class: "many" }, number(of.letters)),
    el("div", { class: "grow" }, only, el("p", { class: "small" }, `${of.means} Send back? ${of.send_back}`), el("p", { class: "small" }, `oldest ${ago(moment(of.oldest))}`)),
    button);
}

function letterRow(letter) {
  const title = letter.key ?? letter.body ?? "";
  const box = el("input", { type: "checkbox", "aria-label": `Select ${name(title)}`, "data-keep": `pick ${letter.id}` });
  box.checked = letter.chosen;
  box.addEventListener("change", () => {
    chosen[box.checked ? "add" : "delete"](letter.id);
    showButtons();
  });
  const what = letter.key
    ? el("button", { type: "button", class: "link name", "data-keep": `letter ${letter.id}` }, el("bdi", {}, name(title)))
    : el("code", { class: "name" }, name(title).slice(0, 300));
  if (letter.key) what.addEventListener("click", () => trace(letter.key));
  const whole = el("button", { type: "button", class: "link", "data-keep": `whole ${letter.id}`, "aria-label": `The whole letter of ${name(title)}` }, "whole letter");
  whole.addEventListener("click", () => showLetter(letter.id));
  const from = [letter.code, letter.function, `${clock(moment(letter.rejected_at))}, ${ago(moment(letter.rejected_at))}`].filter(Boolean).join(" · ");
  return el("li", {}, el("div", { class: "row" }, box, what), el("p", { class: "reason" }, el("bdi", {}, letter.reason)), el("p", { class: "small" }, `${from} · `, whole));
}
