// Backlog, throughput and failures over time, from GET /series.

import { get } from "./api.js";
import { Chart } from "./chart.js";
import { byId, setText } from "./dom.js";
import { moment } from "./format.js";

const CHARTS = [
  ["plot-backlog", "Backlog", [["live", "s1 area", "backlog"], ["bulk", "s3", "bulk"], ["in destination", "s2", "destination"]]],
  ["plot-throughput", "Throughput a minute", [["arrived", "s2", "arrived"], ["forwarded", "s1", "forwarded"], ["done", "s3", "done"], ["capacity", "s7", "capacity"]]],
  ["plot-failures", "Failures", [["rejected a minute", "s4", "rejected"], ["errors a minute", "s5", "errors"], ["dead letters, total", "s6", "dead_letters"]]],
];

let charts = [];

export function startHistory(poll) {
  charts = CHARTS.map(([id, title, lines]) => ({
    chart: new Chart(byId(id), title, lines.map(([name, style]) => [name, style])),
    from: lines.map(([, , series]) => series),
  }));
  byId("range").addEventListener("change", () => poll.now());
}

/** Again, with the times in another zone. */
export function redrawHistory() {
  for (const { chart } of charts) chart.redraw();
}

export async function askHistory() {
  const note = byId("history-note");
  try {
    const answer = await get("series", { minutes: byId("range").value });
    const ticks = (answer.minutes ?? []).map(moment);
    const none = ticks.map(() => null);
    for (const { chart, from } of charts) {
      // the API may know fewer series than we can draw, and CloudWatch none of them
      chart.show(ticks, from.map((name) => (Array.isArray(answer.series?.[name]) ? answer.series[name] : none)));
    }
    setText(note, answer.error ?? "");
  } catch (error) {
    setText(note, `Not up to date: ${error.message}`);
    throw error;
  }
}
