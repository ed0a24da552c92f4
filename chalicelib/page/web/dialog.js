// Dialogs (the browser's own: focus stays inside, Escape closes) and the line that says what was done.

import { byId, el, setText } from "./dom.js";
import { icon } from "./icons.js";

let clearing = 0;

/** Says, seen and heard, what has just been done. */
export function tell(text) {
  setText(byId("toast"), text);
  clearTimeout(clearing);
  clearing = setTimeout(() => setText(byId("toast"), ""), 12_000);
}

/** Copies the text as it is, whatever the page shows in its place. */
export function copyButton(text, label, aria = null) {
  const button = el("button", { type: "button", class: "copy", "aria-label": aria }, label);
  button.addEventListener("click", () => copy(text));
  return button;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    tell("Copied.");
  } catch {
    tell("The browser does not allow copying here.");
  }
}

/** The field for why somebody does something: a label and an input. */
export function noteField(most = 500) {
  const input = el("input", { id: "note", maxlength: String(most), autocomplete: "off", placeholder: "why, for whoever looks later" });
  return { box: el("div", { class: "field" }, el("label", { for: "note" }, "Note"), input), text: () => input.value.trim() };
}

/** A dialog with a heading and a way out; it is gone when it closes. `wide` for reports. */
export function open(title, content, wide = false) {
  const close = el("button", { type: "button", class: "quiet icon-only", "aria-label": "Close" }, icon("close"));
  const heading = el("h2", { id: "dialog-title", tabindex: "-1", autofocus: true }, title);
  const dialog = el(
    "dialog",
    { "aria-labelledby": "dialog-title", class: wide ? "wide" : null },
    el("div", { class: "dialog-head" }, heading, close),
    ...content,
  );
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Asks before it does. `does` returns a promise of what to say when it is done; what goes wrong is shown here, and
 * the dialog stays for another try. `more` are further buttons, [text, does].
 */
export function ask(title, content, text, does, { danger = false, more = [] } = {}) {
  const problem = el("p", { class: "problem", role: "alert" });
  const problems = el("ul", { class: "problem-list" });
  const cancel = el("button", { type: "button" }, "Cancel");
  const main = el("button", { type: "submit", class: danger ? "danger" : "primary" }, text);
  const others = more.map(([name, act]) => {
    const button = el("button", { type: "button" }, name);
    button.addEventListener("click", () => run(act));
    return button;
  });
  const buttons = [main, ...others];
  const form = el("form", { novalidate: true }, ...content, problem, problems, el("div", { class: "buttons" }, cancel, ...others, main));
  const dialog = open(title, [form]);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(does);
  });
  cancel.addEventListener("click", () => dialog.close());

  async function run(act) {
    if (main.disabled) return;
    setText(problem, "");
    problems.replaceChildren();
    for (const button of buttons) button.disabled = true;
    dialog.setAttribute("aria-busy", "true");
    try {
      const said = await act(dialog);
      if (said !== null) {
        dialog.close();
        tell(said);
      }
    } catch (error) {
      setText(problem, error.message);
      problems.replaceChildren(...(error.details ?? []).slice(0, 10).map((one) => el("li", {}, String(one))));
    } finally {
      for (const button of buttons) button.disabled = false;
      dialog.removeAttribute("aria-busy");
    }
  }
  return dialog;
}
