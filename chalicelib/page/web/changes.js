// Who changed what, when and why, from GET /changes.

import { get } from "./api.js";
import { byId, el, keyed, long, setText } from "./dom.js";
import { name, person } from "./format.js";
import { time } from "./times.js";

const SHOWN = 10;

export async function askChanges() {
  const note = byId("changes-note");
  try {
    const { changes = [] } = await get("changes", { limit: SHOWN });
    keyed(byId("changes"), changes, (one) => `${one.at} ${one.did}`, row);
    setText(note, changes.length ? "" : "Nobody has changed anything in the last 30 days.");
  } catch (error) {
    setText(note, error.status === 501 ? error.message : `Not up to date: ${error.message}`);
    throw error;
  }
}

function row({ at, by, did, what, note }) {
  return el("li", {},
    el("p", {}, el("b", {}, `${did[0].toUpperCase()}${did.slice(1)}`), what ? ": " : "", what ? long(name(what)) : ""),
    note ? el("p", {}, "“", long(name(note)), "”") : null,
    el("p", { class: "small" }, el("bdi", { title: by }, `by ${name(person(by))}`), " · ", time(at, "both")));
}
