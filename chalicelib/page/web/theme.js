// Light and dark: the system's, until somebody chooses.

import { byId, setText } from "./dom.js";

const NEXT = { system: "light", light: "dark", dark: "system" };
const KEY = "theme";

export function startTheme() {
  const button = byId("theme");
  let theme = remembered();
  const apply = () => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    setText(byId("theme-name"), theme === "system" ? "Auto" : theme === "light" ? "Light" : "Dark");
    button.setAttribute("aria-label", `Theme: ${theme}. Change`);
  };
  button.addEventListener("click", () => {
    theme = NEXT[theme];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // not kept where the browser keeps nothing: the choice then lasts as long as the page
    }
    apply();
  });
  apply();
}

function remembered() {
  try {
    const kept = localStorage.getItem(KEY);
    return kept in NEXT ? kept : "system";
  } catch {
    return "system";
  }
}
