import { html, nothing } from "lit";
import { api, deviceTypes, live, may, measurementsOf, navigate } from "../app.ts";
import { words } from "../core/format.ts";
import { hear, mergeDevice, setPresence } from "../core/merge.ts";
import { Ring } from "../core/ring.ts";
import { ago, isStale, span } from "../core/stale.ts";
import type { Device, DeviceType, StatusEvent, TelemetryEvent } from "../io/types.ts";
import { Resource } from "../core/resource.ts";
import { said } from "../core/said.ts";
import { Part } from "../ui/base.ts";
import { confirmed, loaded, mark, panel, reasonText, simulatedBadge, time, type Html } from "../ui/bits.ts";
import { isBarred } from "../ui/device-card.ts";
import { valueTile } from "../ui/value.ts";
import "../ui/certificates.ts";
import "../ui/commands.ts";
import "../ui/events.ts";
import "../ui/gaps.ts";
import "../ui/history.ts";
import "../ui/refusals.ts";
import "../ui/shadow.ts";

/** Readings kept for the small lines beside the live values: 15 minutes. */
const RECENT_MS = 15 * 60_000;
const RECENT_POINTS = 300;
/** What no live event tells, such as the status text. */
const LOOK_AGAIN_MS = 15_000;

interface Shown {
  device: Device;
  type: DeviceType | undefined;
}

/** Everything about one device, built from what its type declares. */
export class DevicePage extends Part {
  static override properties = { deviceId: { attribute: false } };
  declare deviceId: string;
  private readonly shown = new Resource<Shown>(() => this.fetchDevice(), () => this.requestUpdate(), mergeShown);
  private readonly recent = new Map<string, Ring>();
  private problem = "";
  private begun = "";
  private leave: (() => void) | null = null;

  protected override begin(): void {
    this.until(
      live.on("telemetry", (event) => this.telemetry(event)),
      live.on("status", (event) => this.status(event)),
      live.onResync(() => this.load()),
      () => this.leave?.(),
      () => (this.begun = ""),
    );
    this.every(1000, () => this.redraw.request());
    this.every(LOOK_AGAIN_MS, () => this.missing || void this.shown.load());
  }

  /** The same element shows another device when only the address changed. */
  protected override willUpdate(): void {
    if (this.begun === this.deviceId) return;
    this.begun = this.deviceId;
    this.leave?.();
    this.leave = live.join(`device:${this.deviceId}`);
    this.shown.value = { state: "loading" };
    this.recent.clear();
    this.load();
  }

  private load(): void {
    if (this.missing) return;
    void this.shown.load().then(() => this.missing && this.leave?.());
    void this.loadRecent();
  }

  private get missing(): boolean {
    const { value } = this.shown;
    return value.state === "failed" && value.missing;
  }

  private async fetchDevice(): Promise<Shown> {
    const id = this.deviceId;
    const [device, types] = await Promise.all([api.device(id), deviceTypes()]);
    return { device, type: types.find((type) => type.key === device.device_type) };
  }

  private async loadRecent(): Promise<void> {
    const id = this.deviceId;
    const history = await api.history(id, { from: api.now() - RECENT_MS, points: RECENT_POINTS }).catch(() => null);
    if (!history || id !== this.deviceId) return;
    const { ts, ...columns } = history.columns;
    for (const [key, column] of Object.entries(columns)) {
      column.forEach((value, i) => value != null && this.ring(key).push(ts[i]!, value));
    }
    this.redraw.request();
  }

  private ring(measurement: string): Ring {
    const ring = this.recent.get(measurement) ?? new Ring(2000);
    this.recent.set(measurement, ring);
    return ring;
  }

  private telemetry({ points }: TelemetryEvent): void {
    const own = points.filter(([id]) => id === this.deviceId);
    for (const [, ts, measurement, value] of own) this.ring(measurement).push(ts, value);
    this.shown.tell(({ device }) => own.forEach(([id, ts, measurement, value]) => id === device.id && hear(device, measurement, { value, ts })));
    this.redraw.request();
  }

  private status({ device: id, connected, reason, session, at }: StatusEvent): void {
    this.shown.tell(({ device }) => device.id === id && setPresence(device, { connected, reason, session, since: at }));
    this.redraw.request();
  }

  override render() {
    return loaded({ value: this.shown.value, retry: () => this.load(), show: (shown) => this.all(shown) });
  }

  private all({ device, type }: Shown): Html {
    this.dispatchEvent(
      new CustomEvent("iot-simulated", { detail: device.simulated ? "This device is simulated: its readings come from a model, not from hardware" : "", bubbles: true }),
    );
    return html`
      ${this.head(device, type)} ${this.facts(device)}
      <div class="columns">
        <div>
          ${this.values(device, type)}
          <iot-history .deviceId=${device.id} .measurements=${measurementsOf(type, device.latest)} .simulated=${device.simulated}></iot-history>
          <iot-events class="later" .deviceId=${device.id}></iot-events>
          <iot-gaps class="later" .deviceId=${device.id}></iot-gaps>
          <iot-refusals class="later" .deviceId=${device.id}></iot-refusals>
          <iot-certificates class="later" .deviceId=${device.id}></iot-certificates>
        </div>
        <div>
          <iot-shadow .deviceId=${device.id} .properties=${type?.properties ?? NONE} .connected=${device.presence?.connected === true}></iot-shadow>
          <iot-commands .deviceId=${device.id} .specs=${type?.commands ?? NONE} .refusing=${isBarred(device)}></iot-commands>
        </div>
      </div>
    `;
  }

  private head(device: Device, type: DeviceType | undefined): Html {
    return html`<div class="page-head">
        <div class="grow">
          <div class="row"><h1>${device.id}</h1>${device.simulated ? simulatedBadge : nothing}${isBarred(device) ? html`<span class="badge crit">${device.status.toUpperCase()}</span>` : nothing}</div>
          <p class="muted">${type?.title ?? words(device.device_type)} · ${device.manufacturer} · ${device.organization}</p>
        </div>
        ${may.administer() && device.status !== "retired" ? this.lifecycle(device) : nothing}
      </div>
      ${this.problem ? html`<p class="notice crit" role="alert">${this.problem}</p>` : nothing}`;
  }

  private lifecycle(device: Device): Html {
    const disabled = device.status === "disabled";
    return html`<div class="row">
      <button @click=${() => void this.act(() => api.setEnabled(device.id, disabled))}>${disabled ? "Enable" : "Disable"}</button>
      <button class="danger" @click=${() => void this.retire(device.id)}>Retire…</button>
    </div>`;
  }

  private async retire(id: string): Promise<void> {
    const sure = await confirmed(`Retire ${id}?`, "It is disconnected for good. Its history stays; its id is never given to another device.", "Retire");
    if (sure && (await this.act(() => api.retire(id)))) navigate("/");
  }

  private async act(change: () => Promise<unknown>): Promise<boolean> {
    this.problem = "";
    try {
      await change();
    } catch (error) {
      this.problem = said(error);
    }
    void this.shown.load();
    this.requestUpdate();
    return !this.problem;
  }

  private facts(device: Device): Html {
    const now = api.now();
    const p = device.presence;
    const after = device.stale_after_s;
    const because = p && !p.connected && p.reason ? ` · ${words(reasonText(p.reason))}` : "";
    return html`<section class="panel" aria-label="State">
      <dl class="facts">
        <div data-testid="fact-connected"><dt>Connection</dt><dd>
          ${p?.connected ? mark("ok", "Connected") : mark("off", p || device.last_connected ? "Offline" : "Never connected")}
          ${p?.since ? html`<span class="small">since ${time(p.since)}${because}</span>` : nothing}
        </dd></div>
        <div data-testid="fact-data"><dt>Last data</dt><dd>${ago(device.last_data_at, now)}<span class="small">${device.last_data_at ? time(device.last_data_at) : "no reading yet"}</span></dd></div>
        <div data-testid="fact-stale"><dt>Freshness</dt><dd>
          ${this.freshness(device, now)}
          <span class="small">${after === null ? "too few readings to tell how often it reports" : `stale after ${span(after)} without a reading`}</span>
        </dd></div>
        ${device.status_text ? html`<div data-testid="fact-status"><dt>Says</dt><dd>${device.status_text.text}<span class="small">${time(device.status_text.at)}</span></dd></div>` : nothing}
      </dl>
    </section>`;
  }

  /** As the fleet counts: of a device that is away that is said, and not that it is stale. */
  private freshness({ presence, last_data_at: last, stale_after_s: after }: Device, now: number): Html {
    if (last === null) return mark("off", "No data yet");
    if (!presence?.connected) return mark("off", "Offline");
    if (after === null) return mark("off", "Not known yet");
    return isStale(last, now, after) ? mark("warn", "Stale") : mark("ok", "Fresh");
  }

  private values(device: Device, type: DeviceType | undefined): Html {
    const measurements = measurementsOf(type, device.latest);
    const now = api.now();
    const body = measurements.length
      ? html`<div class="values">${measurements.map((m) => valueTile({ measurement: m, latest: device.latest[m.key], recent: this.recent.get(m.key), now, staleAfterS: device.stale_after_s }))}</div>`
      : html`<div class="state">No readings yet.</div>`;
    return panel({ id: "live-values", title: "Live values", body });
  }
}

function mergeShown(known: Shown, answer: Shown): Shown {
  return { ...answer, device: mergeDevice(known.device, answer.device) };
}

const NONE: never[] = [];

customElements.define("iot-device", DevicePage);
