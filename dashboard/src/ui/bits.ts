import { html, nothing, svg, type TemplateResult } from "lit";
import { localTime, toMs, utc } from "../core/format.ts";
import { QUALITY_WORDS, type Quality } from "../core/quality.ts";
import type { Loaded } from "../core/resource.ts";

export type Html = TemplateResult | typeof nothing | string;

const SHAPES = {
  ok: svg`<circle cx="6" cy="6" r="5" stroke="none"/>`,
  warn: svg`<path d="M6 1 11.5 11H.5Z" stroke="none"/>`,
  crit: svg`<path d="m2 2 8 8M10 2l-8 8" stroke-width="2.2" stroke-linecap="round"/>`,
  off: svg`<circle cx="6" cy="6" r="4.2" fill="none" stroke-width="1.8"/>`,
};
export type Tone = keyof typeof SHAPES;

/** A state as shape, word and colour. */
export function mark(tone: Tone, word: string, testId = ""): TemplateResult {
  return html`<span class="mark ${tone}" data-testid=${testId || nothing}><svg viewBox="0 0 12 12" aria-hidden="true">${SHAPES[tone]}</svg>${word}</span>`;
}

/** What is remarkable about a reading, if anything. */
export function qualityMark(quality: Quality | null): Html {
  return quality ? mark(quality === "undeclared" ? "off" : "warn", QUALITY_WORDS[quality], "quality") : nothing;
}

export const simulatedBadge = html`<span class="badge sim">SIMULATED</span>`;

export function time(at: string | number | null | undefined): Html {
  const ms = toMs(at);
  return ms === null ? "–" : html`<time datetime=${new Date(ms).toISOString()} title=${utc(ms)}>${localTime(ms)}</time>`;
}

interface PanelOptions {
  id: string;
  title: string;
  actions?: Html;
  body: Html;
}

/** A titled box. */
export function panel({ id, title, actions, body }: PanelOptions): TemplateResult {
  return html`<section class="panel" aria-labelledby="${id}-title" data-testid=${id}>
    <div class="panel-head"><h2 id="${id}-title" class="grow">${title}</h2>${actions ?? nothing}</div>
    ${body}
  </section>`;
}

interface LoadedOptions<T> {
  value: Loaded<T>;
  retry: () => void;
  empty?: ((data: T) => boolean) | undefined;
  emptyText?: Html;
  show: (data: T) => Html;
}

/** The states of anything loaded: loading, failed with retry (or the way to the fleet, where asking again is in vain), empty with what to do next, and the thing itself. */
export function loaded<T>({ value, retry, empty, emptyText, show }: LoadedOptions<T>): TemplateResult {
  if (value.state === "loading") return html`<div class="state loading"><span>Loading…</span></div>`;
  if (value.state === "failed") {
    const way = value.missing ? html`<a class="button" href="/">Show all devices</a>` : html`<button @click=${retry}>Try again</button>`;
    return html`<div class="state"><p class="crit">${value.message}</p>${way}</div>`;
  }
  if (empty?.(value.data)) return html`<div class="state">${emptyText ?? "Nothing here."}</div>`;
  return html`${show(value.data)}`;
}

export function reasonText(reason: unknown): string {
  if (reason == null || reason === "") return "";
  if (typeof reason !== "object") return String(reason);
  const { code, text } = reason as { code?: unknown; text?: unknown };
  return [text, code].filter(Boolean).map(String).join(" · ") || JSON.stringify(reason);
}

/** Ask before something that cannot be taken back. */
export function confirmed(title: string, text: string, action: string): Promise<boolean> {
  const dialog = document.createElement("dialog");
  const heading = Object.assign(document.createElement("h2"), { textContent: title, id: "confirm-title" });
  const body = Object.assign(document.createElement("p"), { textContent: text });
  const form = Object.assign(document.createElement("form"), { method: "dialog", className: "row" });
  const yes = Object.assign(document.createElement("button"), { value: "yes", textContent: action, className: "danger" });
  const no = Object.assign(document.createElement("button"), { value: "no", textContent: "Cancel", autofocus: true });
  dialog.setAttribute("aria-labelledby", heading.id);
  form.append(no, yes);
  dialog.append(heading, body, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      answer(dialog.returnValue === "yes");
    });
  });
}

export function saveFile(blob: Blob, name: string): void {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
