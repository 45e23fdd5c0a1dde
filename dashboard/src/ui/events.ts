import { html } from "lit";
import { api, live } from "../app.ts";
import { members, words } from "../core/format.ts";
import { SEVERITIES } from "../core/severity.ts";
import { Resource } from "../core/resource.ts";
import type { DeviceEvent } from "../io/types.ts";
import { loaded, mark, panel, time, type Html } from "./bits.ts";
import { DevicePanel } from "./panel-part.ts";

const LOOK_AGAIN_MS = 10_000;
const FIRST = 8;

/** What the device told on its own account, newest first. */
export class Events extends DevicePanel {
  private readonly list = new Resource<DeviceEvent[]>(() => api.events(this.deviceId), () => this.requestUpdate());
  private all = false;

  protected override begin(): void {
    this.until(live.onResync(() => void this.list.load()));
    this.every(LOOK_AGAIN_MS, () => void this.list.load());
  }

  protected override reset(): void {
    this.all = false;
    this.list.restart();
  }

  override render() {
    return panel({
      id: "events",
      title: "Events",
      body: loaded({
        value: this.list.value,
        retry: this.list.load,
        empty: (events) => events.length === 0,
        emptyText: "This device has told nothing yet.",
        show: (events) => this.table(events),
      }),
    });
  }

  private table(events: DeviceEvent[]): Html {
    const shown = this.all ? events : events.slice(0, FIRST);
    return html`<table class="cardy">
        <thead><tr><th scope="col">Time</th><th scope="col">Severity</th><th scope="col">Event</th><th scope="col">Data</th></tr></thead>
        <tbody>${shown.map(row)}</tbody>
      </table>
      ${events.length > FIRST ? html`<button class="plain" @click=${this.toggle}>${this.all ? "Show fewer" : `Show all ${events.length}`}</button>` : ""}`;
  }

  private readonly toggle = (): void => {
    this.all = !this.all;
    this.requestUpdate();
  };
}

function row({ timestamp, name, severity, data }: DeviceEvent): Html {
  const { tone, word } = SEVERITIES[severity];
  return html`<tr data-testid="event">
    <td data-label="Time">${time(timestamp)}</td>
    <td data-label="Severity">${mark(tone, word)}</td>
    <td data-label="Event">${words(name)}</td>
    <td data-label="Data">${members(data) || "–"}</td>
  </tr>`;
}

customElements.define("iot-events", Events);
