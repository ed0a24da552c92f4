// Dead letters: how many by code, and a page of them. The view is in the address: #/letters?code=gone&prefix=photos/

import { broken, get } from "./api.js";
import { byId, el, keyed, long, setText } from "./dom.js";
import { count, isKnown, name, number } from "./format.js";
import { askRun } from "./letter_dialogs.js";
import { choose, chosen, chosenLetters, copyKeys, download, forget } from "./letter_choice.js";
import { askRuns, runsAreGoing } from "./letter_runs.js";
import { go, link, on } from "./route.js";
import { time } from "./times.js";
import { deadLetters } from "./verdict.js";

const PAGE = 25;
const READ_AGAIN = 60_000; // milliseconds
const SECONDS = 8; // WITHIN_S of the API's listing

let latest = null; // how many are filed and being filed, by the last status
let seen = null; // the same, when the letters were last read
let readAt = 0;
let begun = false; // a redrive or a discard has been asked for here
let wanted = 0; // how often somebody here has asked to read again
let poll = null;
let listed = []; // the letters of this page
let matching = 0; // how many the filter leaves
let view = { code: "", prefix: "", contains: "", after: "" };

export function startLetters(given) {
  poll = given;
  for (const act of ["redrive", "discard"]) byId(`${act}-all`).addEventListener("click", () => run(act));
  byId("letters-again").addEventListener("click", again);
  byId("letters-filter").addEventListener("submit", (event) => {
    event.preventDefault();
    const [text, how] = [byId("letters-text").value, byId("letters-how").value];
    go(to({ prefix: how === "prefix" ? text : "", contains: how === "contains" ? text : "" }));
  });
  byId("letters-download").addEventListener("click", () => download(listed));
  byId("letters-copy").addEventListener("click", () => copyKeys(listed));
  byId("letters-pick").addEventListener("change", (event) => {
    for (const letter of listed) choose(letter, event.target.checked);
    drawLetters();
  });
  on("letters", (_, { code = "", prefix = "", contains = "", after = "" }) => {
    view = { code, prefix, contains, after };
    byId("letters-text").value = prefix || contains;
    byId("letters-how").value = contains ? "contains" : "prefix";
    byId("letters-box").open = true;
    const title = byId("letters-title");
    title.scrollIntoView();
    if (!title.closest("section").contains(document.activeElement)) title.focus({ preventScroll: true });
    again();
  });
}

/** The address of the letters with another filter, from their first page on. */
function to(change) {
  return link("letters", "", { ...view, after: "", ...change });
}

function again() {
  seen = null;
  wanted += 1;
  poll.now();
}

/** What the buttons above the list are about: the letters that are chosen, those the filter leaves, or all. */
function selection() {
  if (chosen.size) return { what: "chosen", many: chosen.size, body: { ids: [...chosen.keys()] } };
  const { code, prefix, contains } = view;
  const words = [code && `with the code ${code}`, prefix && `whose keys begin with ${prefix}`, contains && `whose keys contain ${contains}`].filter(Boolean);
  if (words.length) return { what: words.join(" and "), many: matching, body: { code, prefix, contains } };
  return { what: "all", many: matching, body: { all: true } };
}

function run(act, { what, many, body } = selection()) {
  askRun(act, what, many, body, () => {
    begun = true;
    forget();
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
  return isKnown(total) && (latest !== seen || (total > 0 && Date.now() - readAt > READ_AGAIN) || begun || runsAreGoing());
}

export async function askLetters() {
  const asked = wanted;
  try {
    const goOn = (act, select, left) => run(act, { what: "that are left", many: left, body: select });
    const [found] = await Promise.all([get("dead-letters", { ...view, limit: PAGE }), askRuns(goOn, again)]);
    if (asked !== wanted) return; // of another view; the next question is on its way
    showLetters(found);
    seen = counted(found); // of this very answer: one that is older than the status is read again
    readAt = Date.now();
    begun = false;
  } catch (error) {
    setText(byId("letters-note"), `Not up to date: ${error.message}`);
    throw error;
  }
}

function showLetters(found) {
  const { codes = {}, letters = [], total = 0, being_filed: filing = 0, complete } = found;
  listed = letters;
  matching = found.matching ?? total;
  const rows = Object.entries(codes).map(([code, of]) => ({ code, of, only: view.code === code }));
  keyed(byId("codes"), rows, ({ code }) => code, codeRow);
  byId("letters-box").hidden = total === 0;
  const filed = `${count(total, "dead letter")}${complete === false ? ` or more: listing them ended after ${SECONDS} seconds` : ""}`;
  const waiting = filing > 0 ? `; ${number(filing)} being filed` : "";
  setText(byId("letters-note"), total > 0 || filing > 0 ? `${filed}${waiting}.` : "None.");
  const skipped = found.skipped ?? 0;
  const range = `${number(skipped + 1)} to ${number(skipped + letters.length)} of ${number(matching)}, newest first`;
  setText(byId("letters-shown"), letters.length ? range : view.after ? "None any more on this page." : "None of them.");
  const pages = [
    ["letters-first", view.after, { after: "" }],
    ["letters-next", found.next, { after: found.next ?? "" }],
    ["letters-clear", view.code || view.prefix || view.contains, { code: "", prefix: "", contains: "" }],
  ];
  for (const [id, there, change] of pages) {
    byId(id).hidden = !there;
    byId(id).setAttribute("href", to(change));
  }
  drawLetters();
}

/** The rows and the buttons, by what is chosen. */
function drawLetters() {
  keyed(byId("letters"), listed.map((letter) => ({ ...letter, chosen: chosen.has(letter.id) })), ({ id }) => id, letterRow);
  byId("letters-pick").checked = listed.length > 0 && listed.every(({ id }) => chosen.has(id));
  const elsewhere = chosenLetters().length - listed.filter(({ id }) => chosen.has(id)).length;
  setText(byId("letters-chosen"), chosen.size ? `${number(chosen.size)} chosen${elsewhere ? `, ${number(elsewhere)} of them on other pages` : ""}` : "");
  setText(byId("letters-download"), chosen.size ? `Download ${number(chosen.size)}` : "Download");
  setText(byId("letters-copy"), chosen.size ? `Copy ${number(chosen.size)} ${chosen.size === 1 ? "key" : "keys"}` : "Copy keys");
  const { what, many } = selection();
  for (const [act, text] of [["redrive", "Redrive"], ["discard", "Discard"]]) {
    const button = byId(`${act}-all`);
    button.hidden = !many;
    setText(button, `${text} ${what === "all" ? "all" : number(many)}`);
  }
}

function codeRow({ code, of, only }) {
  const filter = el("a", { class: "name", href: to({ code: only ? "" : code }), "data-keep": `code ${code}`, "aria-current": only ? "true" : null }, code);
  const button = el("button", { type: "button", "data-keep": `redrive ${code}`, "aria-label": `Redrive those with the code ${code}` }, "Redrive");
  button.addEventListener("click", () => run("redrive", { what: `with the code ${code}`, many: of.letters, body: { code } }));
  return el("li", {}, el("b", { class: "many" }, number(of.letters)),
    el("div", { class: "grow" }, el("p", { class: "row" }, filter, manual(code)), el("p", { class: "small" }, `${of.means} Send back? ${of.send_back}`), el("p", { class: "small" }, "oldest ", time(of.oldest, "ago"))),
    button);
}

/** The manual's own words about a code. */
export function manual(code) {
  return el("a", { class: "small", href: `web/codes.html#${code}`, target: "_blank", rel: "noopener", "aria-label": `What ${code} means, in the manual` }, "manual");
}

function letterRow(letter) {
  const title = name(letter.key ?? letter.body ?? "");
  const box = el("input", { type: "checkbox", "aria-label": `Choose ${title}`, "data-keep": `pick ${letter.id}` });
  box.checked = letter.chosen;
  box.addEventListener("change", () => {
    choose(letter, box.checked);
    drawLetters();
  });
  const what = letter.key
    ? el("a", { class: "name clamp", href: link("object", letter.key), title, "data-keep": `letter ${letter.id}` }, el("bdi", {}, title))
    : el("code", { class: "name clamp" }, title.slice(0, 300));
  const whole = el("a", { href: link("letter", letter.id), "data-keep": `whole ${letter.id}`, "aria-label": `The whole letter of ${title}` }, "whole letter");
  const from = [letter.function, letter.tries ? count(letter.tries, "try", "tries") : "", letter.cut ? "its body is cut" : ""].filter(Boolean).map((one) => ` · ${one}`).join("");
  return el("li", {}, el("div", { class: "pick" }, box, what), el("p", { class: "reason" }, long(name(letter.reason))),
    el("p", { class: "small" }, `${letter.code} · `, time(letter.rejected_at, "both"), `${from} · `, whole, " · ", manual(letter.code)));
}
