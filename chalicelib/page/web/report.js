// A job's completion report: totals, then what failed and why, page by page.

import { get, part } from "./api.js";
import { open } from "./dialog.js";
import { el, setText } from "./dom.js";
import { name, number } from "./format.js";

const ROWS = 50;

export function showReport(job) {
  const totals = el("p", { class: "totals" }, "Reading ...");
  const rows = el("tbody", {});
  const head = el("tr", {}, ...["Object", "Why", "HTTP"].map((text) => el("th", { scope: "col" }, text)));
  const box = el("div", { class: "table-box", tabindex: "0", role: "region", "aria-label": "What failed", hidden: true }, el("table", {}, el("thead", {}, head), rows));
  const more = el("button", { type: "button", hidden: true }, "More rows");
  const problem = el("p", { class: "problem", role: "alert" });
  let next = "";
  open(job.description || "Report", [totals, box, problem, el("div", { class: "buttons" }, more)], true);

  const read = async () => {
    more.disabled = true;
    setText(problem, "");
    try {
      const answer = await get(`jobs/${part(job.id)}/report`, { rows: "failed", limit: ROWS, next });
      const { objects, succeeded, failed } = answer.totals;
      setText(totals, `${answer.outcome}: ${number(succeeded)} of ${number(objects)} succeeded, ${number(failed)} failed`);
      rows.append(...answer.rows.map(row));
      box.hidden = rows.children.length === 0;
      next = answer.next ?? "";
      more.hidden = !next;
    } catch (error) {
      setText(totals, "");
      setText(problem, error.message);
    } finally {
      more.disabled = false;
    }
  };
  more.addEventListener("click", read);
  read();
}

function row(one) {
  const why = [one.error_code, one.message].filter(Boolean).join(": ");
  return el("tr", {}, el("td", {}, el("bdi", {}, name(one.key))), el("td", {}, el("bdi", {}, name(why))), el("td", {}, String(one.http_status ?? "–")));
}
