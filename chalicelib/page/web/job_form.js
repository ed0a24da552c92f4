// A new job over a prefix: checked first, with its cost, then created. It waits until somebody runs it.

import { post } from "./api.js";
import { ask, noteField } from "./dialog.js";
import { el, setText } from "./dom.js";
import { count, dollars, isKnown } from "./format.js";

export function askNewJob(refresh) {
  const field = (id, text, props = {}) => {
    const input = el("input", { id, type: "text", autocomplete: "off", spellcheck: "false", ...props });
    return [el("div", { class: "field" }, el("label", { for: id }, text), input), input];
  };
  const kind = el("select", { id: "job-kind" }, el("option", { value: "backfill" }, "Backfill: through the pipeline"), el("option", { value: "tag" }, "Tag: put a tag on each object"));
  const [prefixBox, prefix] = field("job-prefix", "Keys that begin with", { placeholder: "photos/  (empty: all)" });
  const [suffixBox, suffix] = field("job-suffix", "and end with", { placeholder: ".jpg  (empty: all)" });
  const [keyBox, key] = field("job-tag-key", "Tag", { placeholder: "phototype" });
  const [valueBox, value] = field("job-tag-value", "Value", { placeholder: "finished" });
  const mode = el("select", { id: "job-mode" }, el("option", { value: "merge" }, "Keep the other tags"), el("option", { value: "replace" }, "Replace all tags an object has"));
  const keep = el("input", { id: "job-keep", type: "checkbox", checked: true });
  const tags = el("fieldset", { hidden: true }, el("legend", {}, "What to put on"),
    el("div", { class: "pair" }, keyBox, valueBox),
    el("div", { class: "field" }, el("label", { for: "job-mode" }, "Tags already there"), mode),
    el("label", { class: "check", for: "job-keep" }, keep, " Note the old tags, so that the job can be undone"));
  const found = el("p", { class: "found", role: "status" });
  const note = noteField(100);
  const described = (what) => `${what}${note.text() ? `: ${note.text()}` : ""}`.slice(0, 250);
  let checked = null; // the request whose cost is shown
  let main = null;

  const wanted = () => {
    const body = { kind: kind.value, manifest: { list: { prefix: prefix.value, suffix: suffix.value } } };
    const over = prefix.value || suffix.value ? `${prefix.value}*${suffix.value}` : "all objects";
    if (kind.value === "backfill") return { ...body, description: described(`Backfill ${over}`) };
    const description = described(`Tag ${key.value}=${value.value} on ${over}`);
    return { ...body, tags: { [key.value]: value.value }, mode: mode.value, keep_old_tags: keep.checked, description };
  };
  const changed = () => {
    tags.hidden = kind.value !== "tag";
    checked = null;
    setText(found, "");
    if (main) setText(main, "Check, and see the cost");
  };

  const dialog = ask(
    "New job",
    [
      el("div", { class: "field" }, el("label", { for: "job-kind" }, "What"), kind),
      el("div", { class: "pair" }, prefixBox, suffixBox),
      tags,
      note.box,
      found,
    ],
    "Check, and see the cost",
    async () => {
      const body = wanted();
      if (checked !== JSON.stringify(body)) {
        const answer = await post("jobs", { ...body, check: true });
        const cost = isKnown(answer.estimated_cost_usd) ? `about ${dollars(answer.estimated_cost_usd)}` : "not known";
        setText(found, `${isKnown(answer.objects) ? count(answer.objects, "object") : "The number of objects is not known"}; estimated cost: ${cost}. The job waits until you run it.`);
        checked = JSON.stringify(body);
        setText(main, "Create the job");
        return null;
      }
      // the same token with the same request is the same job, should the answer get lost
      await post("jobs", { ...body, token: token() });
      refresh();
      return "The job is created. It waits until somebody runs it.";
    },
  );
  main = dialog.querySelector("button[type=submit]");
  dialog.addEventListener("input", changed);
  changed();

  let once = null;
  function token() {
    // randomUUID wants a secure context, which 127.0.0.1 is; a name of this machine would not be
    once ??= [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return once;
  }
  kind.focus();
}
