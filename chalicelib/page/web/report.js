// One job: how far it is, and of its completion report what failed and why, page by page.

import { get, part } from "./api.js";
import { copyButton, open } from "./dialog.js";
import { el, long, setText } from "./dom.js";
import { count, name, number } from "./format.js";
import { link } from "./route.js";
import { time } from "./times.js";

// What a job does; in a list AWS tells of a job with a function only that it has one.
export const DOES = { replace: "replaces tags", merge: "adds tags", restore: "restores tags", backfill: "backfill", lambda: "calls a function" };
const ROWS = 50;

/** Opens the panel at once and fills it when the answers are there. */
export function showReport(id) {
  const facts = el("div", { "aria-live": "polite" }, el("p", { class: "quiet-text" }, "Reading ..."));
  const totals = el("p", { class: "totals" });
  const rows = el("tbody", {});
  const head = el("tr", {}, ...["Object", "Why", "HTTP"].map((text) => el("th", { scope: "col", class: "short" }, text)));
  const box = el("div", { class: "table-box", tabindex: "0", role: "region", "aria-label": "What failed", hidden: true }, el("table", {}, el("thead", {}, head), rows));
  const more = el("button", { type: "button", hidden: true }, "More rows");
  const problem = el("p", { class: "problem", role: "alert" });
  let next = "";

  const read = async () => {
    more.disabled = true;
    setText(problem, "");
    try {
      const answer = await get(`jobs/${part(id)}/report`, { rows: "failed", limit: ROWS, next });
      const { objects, succeeded, failed } = answer.totals;
      setText(totals, `${answer.outcome}: ${number(succeeded)} of ${number(objects)} succeeded, ${number(failed)} failed`);
      rows.append(...answer.rows.map(row));
      box.hidden = rows.children.length === 0;
      next = answer.next ?? "";
      more.hidden = !next;
    } catch (error) {
      setText(problem, error.message);
    } finally {
      more.disabled = false;
    }
  };
  const begin = async () => {
    try {
      const job = await get(`jobs/${part(id)}`);
      facts.replaceChildren(...told(job));
      if (!job.ended) return setText(totals, `${job.outcome}: ${number(job.succeeded + job.failed)} of ${count(job.objects, "object")}; the report is written when it ends`);
      setText(totals, `${job.outcome}; reading its report ...`);
      return await read();
    } catch (error) {
      facts.replaceChildren();
      return setText(problem, error.message);
    }
  };
  more.addEventListener("click", read);
  begin();
  const copies = el("p", { class: "row" }, copyButton(id, "Copy the job's id"), copyButton(location.href, "Copy a link to this"));
  return open("Job", [facts, copies, totals, box, problem, el("div", { class: "buttons" }, more)], true);
}

function told(job) {
  const facts = [
    ["Created", time(job.created, "both")],
    ["Ended", job.ended ? time(job.ended, "both") : "not yet"],
    ["Operation", DOES[job.operation] ?? job.operation],
    ["Priority", String(job.priority)],
  ];
  return [
    el("p", { class: "trace-key" }, el("bdi", {}, name(job.description || job.id))),
    el("dl", { class: "facts" }, ...facts.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value)))),
    ...(job.failure_reasons ?? []).map((why) => el("p", { class: "problem" }, long(name(why), 400))),
    el("p", { class: "small" }, id(job)),
  ];
}

function id(job) {
  return job.report ? `${job.id}; its report: ${job.report}` : job.id;
}

function row(one) {
  const why = [one.error_code, one.message].filter(Boolean).join(": ");
  return el("tr", {}, el("td", {}, el("a", { href: link("object", one.key) }, el("bdi", {}, name(one.key)))), el("td", {}, long(name(why))), el("td", { class: "short" }, String(one.http_status ?? "–")));
}
