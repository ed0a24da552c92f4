// The only place that talks to the API. Every request ends: with an answer, or with an ApiError.

const TIMEOUT = 20_000; // milliseconds; API Gateway itself gives up at 29 s

/** What the API, or the way to it, says is wrong. `status` is 0 when there was no answer at all. */
export class ApiError extends Error {
  constructor(message, status = 0, details = null) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null);
  const search = new URLSearchParams(given).toString();
  return request("GET", search ? `${path}?${search}` : path);
}

export function post(path, body) {
  return request("POST", path, body);
}

export function put(path, body) {
  return request("PUT", path, body);
}

/** A key as one part of a path: its slashes are not the path's. */
export function part(key) {
  return encodeURIComponent(key);
}

export function thumbnail(key) {
  return `thumbnails/${part(key)}`;
}

/** The message of a part of an answer that is broken; null when it is whole. */
export function broken(answer) {
  return answer && typeof answer.error === "string" ? answer.error : null;
}

async function request(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT),
      // JSON even without a body: another site's form cannot send that without being asked first.
      headers: method === "GET" ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    throw new ApiError(error.name === "TimeoutError" ? "no answer in time" : "no connection to it");
  }
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new ApiError(`an answer that is not JSON (HTTP ${response.status})`, response.status);
  }
  if (!response.ok) {
    throw new ApiError(said(answer) ?? `HTTP ${response.status}`, response.status, answer?.problems ?? null);
  }
  return answer;
}

function said(answer) {
  return [answer?.error, answer?.Message, answer?.message].find((text) => typeof text === "string" && text);
}
