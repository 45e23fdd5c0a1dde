const KEY = "iotsphere.theme";
export type Theme = "auto" | "light" | "dark";
const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };

export function theme(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  return chosen === "light" || chosen === "dark" ? chosen : "auto";
}

export function nextTheme(): void {
  const chosen = NEXT[theme()];
  if (chosen === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // Blocked storage: the choice holds until the page is closed.
  }
  dispatchEvent(new Event("iot-theme"));
}

/** Told when the colours change, by choice or by the system. */
export function onTheme(run: () => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  addEventListener("iot-theme", run);
  system.addEventListener("change", run);
  return () => {
    removeEventListener("iot-theme", run);
    system.removeEventListener("change", run);
  };
}
