// Of a status what several parts of the page show. Its sentence is the API's own: `verdict` of GET /status.

import { broken } from "./api.js";
import { isKnown } from "./format.js";

/** How many there are, with those that are being filed just now; null when not known. */
export function deadLetters(status) {
  const letters = status.dead_letters;
  return isKnown(letters?.total) ? letters.total + (letters.being_filed ?? 0) : null;
}

/** Events in both lanes; null where one is not known. */
export function waits(status) {
  const { source, bulk } = status.queues ?? {};
  if (!source || broken(source) || !isKnown(source.visible)) return null;
  if (!bulk) return source.visible; // one lane only
  return broken(bulk) || !isKnown(bulk.visible) ? null : source.visible + bulk.visible;
}
