// What if: the same simulation as `make plan`, from GET /plan.

import { get } from "./api.js";
import { Chart } from "./chart.js";
import { byId, el, setText } from "./dom.js";
import { count, dollars, duration, isKnown, number, UNKNOWN } from "./format.js";
import { icon } from "./icons.js";
import { go, link, on } from "./route.js";

let chart = null;
let linked = false; // the address has asked

export function startPlan() {
  byId("plan-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = Object.fromEntries([...new FormData(byId("plan-form"))].map(([name, value]) => [name, String(value).trim()]));
    go(link("plan", "", given));
  });
  on("plan", (_, query) => {
    linked = true;
    for (const [name, value] of Object.entries(query)) if (byId(`plan-${name}`)) byId(`plan-${name}`).value = value;
    byId("plan-section").scrollIntoView();
    simulate();
  });
}

/** What the form says, until the address has asked for something else. */
export function firstPlan() {
  if (!linked) simulate();
}

async function simulate() {
  const problem = byId("plan-problem");
  setText(problem, "");
  const query = Object.fromEntries([...new FormData(byId("plan-form"))].map(([name, value]) => [name, String(value).trim()]));
  try {
    show(await get("plan", query));
  } catch (error) {
    for (const id of ["plan-facts", "plan-lost", "plan-quota", "plan-cost"]) byId(id).replaceChildren();
    for (const id of ["plan-plot", "plan-bill"]) byId(id).hidden = true;
    for (const id of ["plan-empty", "plan-prices"]) setText(byId(id), "");
    setText(problem, error.message);
  }
}

/** What is worse than a quota: events that SQS may delete before a tick takes them. */
function lostSays(lost) {
  return lost ? [el("span", { class: "pill bad" }, icon("bad"), "May lose events"), ` ${lost[0].toUpperCase()}${lost.slice(1)}.`] : [];
}

/** The AWS quota that is met first, and what to do where it is met already. */
function quotaSays(quota) {
  if (!quota) return [];
  const met = quota.needed > quota.limit;
  const pill = el("span", { class: `pill ${met ? "bad" : "ok"}` }, icon(met ? "bad" : "ok"), met ? "Over an AWS quota" : "Within AWS's quotas");
  const later = isKnown(quota.from_capacity) && !met ? `; a capacity of ${number(quota.from_capacity)} or more would need more` : "";
  const advice = met && quota.advice ? `: ${quota.advice}` : "";
  return [pill, ` The nearest is ${quota.name}: ${quota.says}${later}${advice}.`];
}

function show(plan) {
  const points = plan.backlog ?? [];
  const waits = points.some(([, backlog]) => backlog > 0);
  byId("plan-plot").hidden = !waits;
  byId("plan-bill").hidden = false;
  setText(byId("plan-empty"), waits ? "" : "No backlog to draw: every tick takes all that has come.");
  if (waits) {
    chart ??= new Chart(byId("plan-plot"), "Backlog in the simulation", [["events left after each tick", "s1 area"]]);
    chart.show(points.map(([minute]) => minute * 60), [points.map(([, backlog]) => backlog)]);
  }
  const facts = [
    ["Source queue empty after", isKnown(plan.minutes_to_clear) ? duration(plan.minutes_to_clear * 60) : "not at this capacity"],
    ["Longest wait of an event", isKnown(plan.longest_wait_minutes) ? duration(plan.longest_wait_minutes * 60) : UNKNOWN],
    ["Peak backlog", isKnown(plan.peak_backlog) ? count(plan.peak_backlog, "event") : UNKNOWN],
    ...Object.entries(plan.concurrency ?? {}).map(([name, value]) => [`Executions of ${name} at the same time`, number(value)]),
    ["Cost a month", isKnown(plan.cost_per_month_usd?.total) ? dollars(plan.cost_per_month_usd.total) : UNKNOWN],
  ];
  byId("plan-facts").replaceChildren(...facts.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));
  byId("plan-lost").replaceChildren(...lostSays(plan.lost));
  byId("plan-quota").replaceChildren(...quotaSays(plan.first_quota));
  const lines = plan.cost_per_month_usd?.lines ?? [];
  byId("plan-cost").replaceChildren(...lines.map((line) =>
    el("tr", {}, el("th", { scope: "row" }, line.what), el("td", {}, `${number(line.amount)} ${line.unit}`), el("td", {}, dollars(line.usd)))));
  setText(byId("plan-prices"), plan.prices_of ? `List prices of ${plan.prices_of}. Assumed: ${(plan.assumed ?? []).join("; ") || "nothing"}.` : "");
}
