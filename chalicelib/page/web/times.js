// Moments as elements that stay true: an age grows, and the zone may change, without asking anything again.

import { byId, el, setText } from "./dom.js";
import { ago, clock, moment, setZone } from "./format.js";

const KEY = "zone";
const SAYS = { clock, ago, both: (at) => (at ? `${clock(at)}, ${ago(at)}` : clock(at)) };

/** A moment of the API's: `as` is clock, ago or both. */
export function time(iso, as = "clock") {
  const at = moment(iso);
  return el("time", { datetime: at?.toISOString(), "data-as": as }, SAYS[as](at));
}

export function refreshTimes() {
  for (const node of document.querySelectorAll("time[data-as]")) setText(node, SAYS[node.dataset.as](moment(node.dateTime)));
}

/** This machine's time or UTC, until somebody chooses; `changed` shows again what has times in its sentences. */
export function startZone(changed) {
  const button = byId("zone");
  let utc = remembered();
  const apply = () => {
    setZone(utc ? "UTC" : undefined);
    setText(byId("zone-name"), utc ? "UTC" : "Local");
    button.setAttribute("aria-label", `Times: ${utc ? "UTC" : "local"}. Change`);
    setText(byId("zone-says"), utc ? "Times are UTC." : "Times are this machine's.");
    refreshTimes();
  };
  button.addEventListener("click", () => {
    utc = !utc;
    try {
      localStorage.setItem(KEY, utc ? "UTC" : "local");
    } catch {
      // not kept where the browser keeps nothing
    }
    apply();
    changed();
  });
  apply();
}

function remembered() {
  try {
    return localStorage.getItem(KEY) === "UTC";
  } catch {
    return false;
  }
}
