// What if: the same simulation as `make plan`, from GET /plan.

import { get } from "./api.js";
import { Chart } from "./chart.js";
import { byId, el, setText } from "./dom.js";
import { count, dollars, duration, isKnown, number, UNKNOWN } from "./format.js";
import { icon } from "./icons.js";

let chart = null;

export function startPlan() {
  byId("plan-form").addEventListener("submit", (event) => {
    event.preventDefault();
    simulate();
  });
  simulate();
}

async function simulate() {
  const problem = byId("plan-problem");
  setText(problem, "");
  const query = Object.fromEntries([...new FormData(byId("plan-form"))].map(([name, value]) => [name, String(value).trim()]));
  try {
    show(await get("plan", query));
  } catch (error) {
    byId("plan-facts").replaceChildren();
    byId("plan-lost").replaceChildren();
    byId("plan-quota").replaceChildren();
    setText(problem, error.message);
  }
}

/** What is worse than a quota: events that SQS would delete before a tick took them. */
function lostSays(lost) {
  return lost ? [el("span", { class: "pill bad" }, icon("bad"), "Loses events"), ` ${lost[0].toUpperCase()}${lost.slice(1)}.`] : [];
}

/** The AWS quota that is met first, and what to do where it is met already. */
function quotaSays(quota) {
  if (!quota) return [];
  const met = quota.needed > quota.limit;
  const pill = el("span", { class: `pill ${met ? "bad" : "ok"}` }, icon(met ? "bad" : "ok"), met ? "Over an AWS quota" : "Within AWS's quotas");
  const later = isKnown(quota.from_capacity) && !met ? `; met from a capacity of ${number(quota.from_capacity)} on` : "";
  const advice = met && quota.advice ? `: ${quota.advice}` : "";
  return [pill, ` First comes ${quota.name}, ${number(quota.needed)} of ${number(quota.limit)}${later}${advice}.`];
}

function show(plan) {
  chart ??= new Chart(byId("plan-plot"), "Backlog in the simulation", [["backlog", "s1 area"]]);
  const points = plan.backlog ?? [];
  chart.show(points.map(([minute]) => duration(minute * 60)), [points.map(([, backlog]) => backlog)]);
  const facts = [
    ["Clear after", isKnown(plan.minutes_to_clear) ? duration(plan.minutes_to_clear * 60) : "not at this capacity"],
    ["Peak backlog", number(plan.peak_backlog)],
    ...Object.entries(plan.concurrency ?? {}).map(([name, value]) => [`${name} at once`, number(value)]),
    ["Cost a month", isKnown(plan.cost_per_month_usd?.total) ? dollars(plan.cost_per_month_usd.total) : UNKNOWN],
  ];
  byId("plan-facts").replaceChildren(...facts.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));
  byId("plan-lost").replaceChildren(...lostSays(plan.lost));
  byId("plan-quota").replaceChildren(...quotaSays(plan.first_quota));
  const lines = plan.cost_per_month_usd?.lines ?? [];
  byId("plan-cost").replaceChildren(...lines.map((line) =>
    el("tr", {}, el("th", { scope: "row" }, line.what), el("td", {}, `${number(line.amount)} ${line.unit}`), el("td", {}, dollars(line.usd)))));
  setText(byId("plan-prices"), plan.prices_of ? `List prices of ${plan.prices_of}; ${count(lines.length, "line")}.` : "");
}
