import { html, nothing, type TemplateResult } from "lit";
import { control, rangeText, step } from "../core/property.ts";
import { plain, words } from "../core/format.ts";
import type { Property } from "../io/types.ts";

export interface FieldOptions {
  id: string;
  property: Property;
  value: string | boolean;
  error?: string | undefined;
  disabled?: boolean;
  hint?: TemplateResult | string;
  changed: (value: string | boolean) => void;
}

type Draw = (options: FieldOptions) => TemplateResult;

/** The form control of one declared property, chosen from its declaration. */
export function field(options: FieldOptions): TemplateResult {
  const { id, property, error, hint } = options;
  const kind = control(property);
  const range = kind === "slider" || kind === "number" ? rangeText(property) : "";
  const below = html`${range || hint ? html`<div class="hint" id="${id}-hint">${range}${range && hint ? " · " : nothing}${hint ?? nothing}</div>` : nothing}
    ${error ? html`<div class="field-error" id="${id}-error" role="alert">${error}</div>` : nothing}`;
  if (kind === "radio") {
    return html`<fieldset class="field" data-testid=${id}><legend>${property.title}</legend>${DRAW.radio(options)}${below}</fieldset>`;
  }
  return html`<div class="field" data-testid=${id}><label for=${id}>${property.title}</label>${DRAW[kind](options)}${below}</div>`;
}

const typed = (event: Event) => (event.target as HTMLInputElement).value;

function describedBy({ id, error }: FieldOptions): string {
  return error ? `${id}-error ${id}-hint` : `${id}-hint`;
}

const numberInput: Draw = (options) => {
  const { id, property: p, value, error, disabled, changed } = options;
  return html`<input id=${id} type="number" inputmode="decimal" min=${p.low ?? nothing} max=${p.high ?? nothing} step=${p.kind === "integer" ? 1 : "any"} .value=${String(value)} ?disabled=${disabled ?? false}
    aria-invalid=${error ? "true" : "false"} aria-describedby=${describedBy(options)} @input=${(e: Event) => changed(typed(e))} />`;
};

const slider: Draw = (options) => {
  const { property: p, value, disabled, changed } = options;
  return html`<div class="slider">
    <input type="range" aria-label="${p.title}, slider" min=${p.low!} max=${p.high!} step=${step(p)} .value=${String(value)} ?disabled=${disabled ?? false} @input=${(e: Event) => changed(typed(e))} />
    ${numberInput(options)}<span class="muted">${p.unit}</span>
  </div>`;
};

const radio: Draw = ({ id, property: p, value, disabled, changed }) => html`<div class="options">
  ${p.options.map(
    (option) => html`<label><input type="radio" name=${id} .value=${option} .checked=${value === option} ?disabled=${disabled ?? false} @change=${() => changed(option)} />${words(option)}</label>`,
  )}
</div>`;

const select: Draw = ({ id, property: p, value, disabled, changed }) => html`<select id=${id} ?disabled=${disabled ?? false} @change=${(e: Event) => changed(typed(e))}>
  <option value="" disabled ?selected=${value === ""}>Choose …</option>
  ${p.options.map((option) => html`<option .value=${option} ?selected=${value === option}>${words(option)}</option>`)}
</select>`;

const onOff: Draw = ({ id, value, disabled, changed }) => html`<span class="switch">
  <input id=${id} type="checkbox" role="switch" .checked=${value === true} ?disabled=${disabled ?? false} @change=${(e: Event) => changed((e.target as HTMLInputElement).checked)} />
  <span class="muted" aria-hidden="true">${plain(value === true)}</span>
</span>`;

const text: Draw = ({ id, value, disabled, error, changed }) =>
  html`<input id=${id} type="text" maxlength="1000" .value=${String(value)} ?disabled=${disabled ?? false} aria-invalid=${error ? "true" : "false"} @input=${(e: Event) => changed(typed(e))} />`;

const DRAW: Record<ReturnType<typeof control>, Draw> = { slider, number: numberInput, radio, select, switch: onOff, text };
