// What if: the same simulation as `make plan`, from GET /plan. Without that route the section is not there.

import { get } from "./api.js";
import { Chart } from "./chart.js";
import { byId, el, setText } from "./dom.js";
import { count, dollars, duration, isKnown, number, UNKNOWN } from "./format.js";

let chart = null;

/** Shown only where the route answers. */
export async function startPlan() {
  const form = byId("plan-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    simulate();
  });
  const asked = await simulate();
  byId("plan-section").hidden = !asked;
}

async function simulate() {
  const problem = byId("plan-problem");
  setText(problem, "");
  const query = Object.fromEntries([...new FormData(byId("plan-form"))].map(([name, value]) => [name, String(value).trim()]));
  try {
    const answer = await get("plan", query);
    byId("plan-section").hidden = false; // a plot has no width while it is hidden
    show(answer);
    return true;
  } catch (error) {
    if (error.status === 404 || error.status === 403 || error.status === 0) return false;
    byId("plan-facts").replaceChildren();
    setText(problem, error.message);
    return true;
  }
}

function show(plan) {
  chart ??= new Chart(byId("plan-plot"), "Backlog in the simulation", [["backlog", "s1 area"]]);
  const points = plan.backlog ?? [];
  chart.show(points.map(([minute]) => duration(minute * 60)), [points.map(([, backlog]) => backlog)]);
  const quota = plan.first_quota;
  const facts = [
    ["Clear after", isKnown(plan.minutes_to_clear) ? duration(plan.minutes_to_clear * 60) : "not at this capacity"],
    ["Peak backlog", number(plan.peak_backlog)],
    ...Object.entries(plan.concurrency ?? {}).map(([name, value]) => [`${name} at once`, number(value)]),
    ["First AWS quota met", quota ? `${quota.name}: ${number(quota.needed)} of ${number(quota.limit)}` : "none"],
    ["Cost a month", isKnown(plan.cost_per_month_usd?.total) ? dollars(plan.cost_per_month_usd.total) : UNKNOWN],
  ];
  byId("plan-facts").replaceChildren(...facts.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));
  const lines = plan.cost_per_month_usd?.lines ?? [];
  byId("plan-cost").replaceChildren(...lines.map((line) =>
    el("tr", {}, el("th", { scope: "row" }, line.what), el("td", {}, `${number(line.amount)} ${line.unit}`), el("td", {}, dollars(line.usd)))));
  setText(byId("plan-prices"), plan.prices_of ? `List prices of ${plan.prices_of}; ${count(lines.length, "line")}.` : "");
}
