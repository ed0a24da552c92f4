// Which dead letters are chosen, across pages; and what can be taken away of them: a file, or their keys.

import { get, part } from "./api.js";
import { copy, tell } from "./dialog.js";
import { el } from "./dom.js";
import { count } from "./format.js";

const MOST = 1000; // ids in one request of the API
const LISTED_BODY = 2000; // characters of a body in a list

export const chosen = new Map(); // id -> the letter as it was listed

export function choose(letter, wanted) {
  if (!wanted) chosen.delete(letter.id);
  else if (chosen.size < MOST || chosen.has(letter.id)) chosen.set(letter.id, letter);
  else tell(`At most ${MOST} can be chosen; a code, or what keys begin with or contain, takes any number.`);
}

export function chosenLetters() {
  return [...chosen.values()];
}

export function forget() {
  chosen.clear();
}

/** One JSON object a line: of those that are chosen, else of the page's. A long body is asked for whole. */
export async function download(page) {
  const letters = chosen.size ? chosenLetters() : page;
  try {
    const lines = [];
    for (const letter of letters) {
      const long = letter.cut || letter.body.length >= LISTED_BODY;
      lines.push(JSON.stringify(long ? await get(`dead-letters/${part(letter.id)}`) : letter));
    }
    const address = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "application/x-ndjson" }));
    el("a", { href: address, download: `dead-letters-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.ndjson` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    tell(`${count(lines.length, "letter")} downloaded, one a line.`);
  } catch (error) {
    tell(`Not downloaded: ${error.message}`);
  }
}

/** The objects' keys, one a line, as they are. */
export function copyKeys(page) {
  const keys = (chosen.size ? chosenLetters() : page).map(({ key }) => key).filter((key) => key !== null);
  return copy(keys.join("\n"));
}
