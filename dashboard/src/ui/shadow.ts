import { html, nothing } from "lit";
import { api, live, may } from "../app.ts";
import { initial, parse } from "../core/property.ts";
import { plain, withUnit } from "../core/format.ts";
import { changedAt, shadowRows, stateText, type RowState, type ShadowRow } from "../core/shadow.ts";
import { fieldErrors } from "../io/session.ts";
import type { Property, ShadowDocument, ShadowEvent } from "../io/types.ts";
import { Resource } from "../core/resource.ts";
import { said } from "../core/said.ts";
import { loaded, mark, panel, time, type Html, type Tone } from "./bits.ts";
import { field } from "./field.ts";
import { DevicePanel } from "./panel-part.ts";

/** What the device should be, what it says it is, and the difference. Only the desired side can be written here. */
export class Shadow extends DevicePanel {
  static override properties = { ...DevicePanel.properties, properties: { attribute: false }, connected: { attribute: false } };
  declare properties: Property[];
  declare connected: boolean;
  private readonly document = new Resource<ShadowDocument>(() => api.shadow(this.deviceId), () => this.requestUpdate(), newer);
  private readonly draft = new Map<string, string | boolean>();
  private errors: Record<string, string> = {};
  private problem = "";
  private busy = false;

  protected override begin(): void {
    this.until(
      live.on("shadow", (event) => this.changed(event)),
      live.onResync(() => void this.document.load()),
    );
  }

  protected override reset(): void {
    this.discard();
    this.document.restart();
  }

  private changed({ device, name, version }: ShadowEvent): void {
    if (device !== this.deviceId || (name && name !== "default" && name !== "main")) return;
    if (version > (this.document.data?.version ?? -1)) void this.document.load();
  }

  override render() {
    const data = this.document.data;
    return panel({
      id: "shadow",
      title: "Settings",
      actions: data ? html`<span class="muted small">version <span class="num" data-testid="shadow-version">${data.version}</span></span>` : nothing,
      body: loaded({ value: this.document.value, retry: this.document.load, show: (document) => this.all(document) }),
    });
  }

  private all(document: ShadowDocument): Html {
    const rows = shadowRows(this.properties, document);
    const pending = rows.filter((row) => row.state === "pending");
    return html`
      ${pending.length ? this.waiting(pending) : nothing}
      ${rows.length ? this.table(rows) : html`<div class="state">This device has no settings yet.</div>`}
      ${may.operate() && this.properties.some((p) => p.writable) ? this.editor(rows) : nothing}
      <details><summary>Document</summary><pre tabindex="0" aria-label="Shadow document">${JSON.stringify(document.state, null, 2)}</pre></details>
    `;
  }

  private waiting(rows: ShadowRow[]): Html {
    const names = rows.map((row) => row.title).join(", ");
    return html`<p class="notice warn" role="status" data-testid="shadow-pending">
      ${names}: ${this.connected ? "waiting for the device to report it." : "the device is offline and gets it when it connects."}
    </p>`;
  }

  private table(rows: ShadowRow[]): Html {
    return html`<table class="cardy">
      <thead><tr><th scope="col">Property</th><th scope="col">Desired</th><th scope="col">Reported</th><th scope="col">State</th></tr></thead>
      <tbody>
        ${rows.map(
          (row) => html`<tr data-testid="shadow-${row.key}">
            <td data-label="Property">${row.title}</td>
            <td data-label="Desired" data-testid="desired">${withUnit(plain(row.desired), row.unit)}</td>
            <td data-label="Reported" data-testid="reported">${withUnit(plain(row.reported), row.unit)}</td>
            <td data-label="State" data-testid="state">${mark(TONES[row.state], stateText(row))}${row.since ? html`<div class="muted small">since ${time(row.since)}</div>` : nothing}</td>
          </tr>`,
        )}
      </tbody>
    </table>`;
  }

  private editor(rows: ShadowRow[]): Html {
    const writable = this.properties.filter((p) => p.writable);
    return html`<form class="form" novalidate aria-label="Change settings" @submit=${this.apply}>
      <h3>Change</h3>
      ${writable.map((property) => this.input(property, rows.find((row) => row.key === property.key)))}
      ${this.problem ? html`<p class="notice crit" role="alert">${this.problem}</p>` : nothing}
      <div class="row">
        <button class="primary" data-testid="shadow-apply" ?disabled=${!this.draft.size || this.busy || live.state === "lost"}>${this.busy ? "Applying…" : "Apply"}</button>
        <button type="button" ?disabled=${!this.draft.size} @click=${this.discard}>Discard</button>
        ${this.draft.size ? html`<span class="muted small">last changed at ${time(changedAt(this.document.data))}</span>` : nothing}
      </div>
    </form>`;
  }

  private input(property: Property, row: ShadowRow | undefined): Html {
    const current = row?.desired ?? row?.reported;
    const value = this.draft.get(property.key) ?? (current == null ? initial(property) : property.kind === "boolean" ? current === true : String(current));
    return field({
      id: `set-${property.key}`,
      property,
      value,
      error: this.errors[property.key],
      disabled: this.busy,
      hint: row?.reported === undefined || String(row.reported) === String(value) ? "" : `now ${withUnit(plain(row.reported), property.unit)}`,
      changed: (typed) => {
        this.draft.set(property.key, typed);
        delete this.errors[property.key];
        this.requestUpdate();
      },
    });
  }

  private readonly discard = (): void => {
    this.draft.clear();
    this.errors = {};
    this.problem = "";
    this.requestUpdate();
  };

  private readonly apply = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const desired = this.parsed();
    if (!desired) return this.requestUpdate();
    this.busy = true;
    this.problem = "";
    this.requestUpdate();
    try {
      const document = await api.desire(this.deviceId, desired);
      this.draft.clear();
      this.document.set(newer(this.document.data, document));
    } catch (error) {
      this.refuse(error);
    }
    this.busy = false;
    this.requestUpdate();
  };

  /** What was changed, in its declared types; null when something is wrong with it. */
  private parsed(): Record<string, unknown> | null {
    const desired: Record<string, unknown> = {};
    this.errors = {};
    for (const [key, raw] of this.draft) {
      const property = this.properties.find((p) => p.key === key)!;
      const result = parse(property, raw);
      if (result.ok) desired[key] = result.value;
      else this.errors[key] = `${property.title} ${result.reason}`;
    }
    return Object.keys(this.errors).length ? null : desired;
  }

  private refuse(error: unknown): void {
    const reasons = fieldErrors(error);
    for (const { field: name, reason } of reasons) this.errors[name.replace(/^desired\./, "")] = reason;
    const placed = reasons.some(({ field: name }) => this.draft.has(name.replace(/^desired\./, "")));
    if (!placed) this.problem = said(error);
  }
}

/** An event may have brought a later version than an answer that was on its way. */
function newer(known: ShadowDocument | null, answer: ShadowDocument): ShadowDocument {
  return known && known.version > answer.version ? known : answer;
}

const TONES: Record<RowState, Tone> = {
  applied: "ok",
  pending: "warn",
  in_progress: "warn",
  refused: "crit",
  failed: "crit",
  reported: "off",
  unset: "off",
};

customElements.define("iot-shadow", Shadow);
