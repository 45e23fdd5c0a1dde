import { may, navigate, session } from "../app.ts";

const GO: Record<string, { path: string; allowed: () => boolean; title: string }> = {
  f: { path: "/", allowed: () => true, title: "Fleet" },
  l: { path: "/dead-letters", allowed: () => true, title: "Dead letters" },
  a: { path: "/add", allowed: may.operate, title: "Add device" },
  r: { path: "/refused", allowed: may.seeUnknown, title: "Refused devices" },
};

/** `/` searches, `g` and a letter change the page, `?` lists these. Nothing happens while somebody types. */
export function shortcuts(): () => void {
  let afterG = false;
  const pressed = (event: KeyboardEvent) => {
    if (!session.user || event.ctrlKey || event.metaKey || event.altKey || typing(event)) return;
    const went = afterG ? GO[event.key] : undefined;
    afterG = event.key === "g";
    if (went?.allowed()) navigate(went.path);
    else if (event.key === "/") focusSearch(event);
    else if (event.key === "?") help();
  };
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}

function typing(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  return target instanceof HTMLElement && (target.matches("input, select, textarea") || target.closest("dialog") !== null);
}

function focusSearch(event: KeyboardEvent): void {
  const search = document.querySelector<HTMLInputElement>("input[type=search]");
  if (!search) return;
  event.preventDefault();
  search.focus();
}

function help(): void {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "keys-title");
  const keys: [string[], string][] = [[["/"], "Search"], ...Object.entries(GO).filter(([, to]) => to.allowed()).map(([key, to]): [string[], string] => [["g", key], to.title]), [["?"], "This list"]];
  const list = document.createElement("ul");
  list.className = "stack";
  for (const [names, title] of keys) {
    const item = document.createElement("li");
    for (const name of names) item.append(Object.assign(document.createElement("kbd"), { textContent: name }), " ");
    item.append(title);
    list.append(item);
  }
  const form = Object.assign(document.createElement("form"), { method: "dialog" });
  form.append(Object.assign(document.createElement("button"), { textContent: "Close" }));
  dialog.append(Object.assign(document.createElement("h2"), { id: "keys-title", textContent: "Keyboard" }), list, form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
