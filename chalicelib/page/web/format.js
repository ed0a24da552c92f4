// Numbers and names as people read them. What is not known is never a number.

export const UNKNOWN = "–";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export function isKnown(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** 1,234; 41.5 below a hundred; a dash when it is not known. */
export function number(value) {
  if (!isKnown(value)) return UNKNOWN;
  return (Math.abs(value) < 100 ? one : whole).format(value);
}

/** 1.2M, for an axis. */
export function compact(value) {
  return isKnown(value) ? short.format(value) : UNKNOWN;
}

/** "1 dead letter", "2 dead letters". */
export function count(value, noun, nouns = `${noun}s`) {
  return `${number(value)} ${value === 1 ? noun : nouns}`;
}

/** Seconds as "0.8 s", "42 s", "2 min 10 s", "3 h 5 min", "2 d 4 h". */
export function duration(seconds) {
  if (!isKnown(seconds)) return UNKNOWN;
  if (seconds < 10) return `${one.format(seconds)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return pair(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86400) return pair(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
  return pair(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
}

function pair(large, unit, small, sub) {
  return small ? `${large} ${unit} ${small} ${sub}` : `${large} ${unit}`;
}

export function bytes(value) {
  if (!isKnown(value)) return UNKNOWN;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${one.format(size)} ${units[unit]}`;
}

export function percent(value) {
  if (!isKnown(value)) return UNKNOWN;
  // 99.96 is not 100: a failure must not be rounded away.
  return `${one.format(value < 100 ? Math.min(value, 99.9) : value)}%`;
}

/** Who, as people say it: `user/ann` of an ARN; the ARN itself is the title. */
export function person(arn) {
  return String(arn ?? "").replace(/^arn:[^:]*:[^:]*:[^:]*:[^:]*:/, "");
}

export function dollars(value) {
  if (!isKnown(value)) return UNKNOWN;
  return new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" }).format(value);
}

export function moment(iso) {
  const at = iso ? new Date(iso) : null;
  return at && !Number.isNaN(at.getTime()) ? at : null;
}

let zone; // undefined: this machine's

/** "UTC", or undefined. */
export function setZone(name) {
  zone = name;
}

/** The time of day here, with the date when that could be another day's. */
export function clock(at, seconds = true) {
  if (!at) return UNKNOWN;
  const time = at.toLocaleTimeString("en-GB", seconds ? { timeZone: zone } : { hour: "2-digit", minute: "2-digit", timeZone: zone });
  const near = Math.abs(new Date() - at) < 12 * 3_600_000;
  return near ? time : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: zone })} ${time}`;
}

/** "4 s ago". */
export function ago(at, now = new Date()) {
  if (!at) return UNKNOWN;
  const seconds = Math.max(0, (now - at) / 1000);
  return seconds < 2 ? "just now" : `${duration(Math.round(seconds))} ago`;
}

/** A reason in somebody else's words, as one line that leaves room for others. */
export function clamped(text, most = 200) {
  const line = name(text);
  return line.length > most ? `${line.slice(0, most)}…` : line;
}

/**
 * An object's name with its invisible characters shown: a control character, or one that turns the direction of
 * the text round, would make a name look like another.
 */
export function name(key) {
  return String(key).replace(
    /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
