import { html } from "lit";
import { api, may } from "../app.ts";
import { category } from "../core/format.ts";
import type { Refusal } from "../io/types.ts";
import { Resource } from "../core/resource.ts";
import { Part } from "../ui/base.ts";
import { loaded, time, type Html } from "../ui/bits.ts";

/** Who knocked and is not registered. */
export class Refused extends Part {
  private readonly list = new Resource<Refusal[]>(api.unknownDevices, () => this.requestUpdate());

  protected override begin(): void {
    if (!may.seeUnknown()) return;
    this.loadAndResync(() => void this.list.load());
    this.every(5000, () => void this.list.load());
  }

  override render() {
    if (!may.seeUnknown()) return html`<h1>Refused devices</h1><p class="notice warn">Only an administrator of the whole installation sees these.</p>`;
    return html`<h1>Refused devices</h1>
      <p class="muted">Connections by somebody who is not registered here: an unknown certificate, an id nobody added, or no certificate at all.</p>
      <section class="panel" aria-label="Refused connections">
        ${loaded({
          value: this.list.value,
          retry: this.list.load,
          empty: (rows) => rows.length === 0,
          emptyText: "Nobody unknown has tried to connect.",
          show: (rows) => refusalTable(rows, true),
        })}
      </section>`;
  }
}

export function refusalTable(rows: Refusal[], withDevice = false): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Refusals">
    <table class="cardy">
      <thead><tr><th scope="col">Time</th>${withDevice ? html`<th scope="col">Device</th>` : ""}<th scope="col">Kind</th><th scope="col">Reason</th>${withDevice ? "" : html`<th scope="col">Topic</th>`}<th scope="col">From</th><th scope="col" class="right">Count</th></tr></thead>
      <tbody>
        ${rows.map(
          (r) => html`<tr>
            <td data-label="Time">${time(r.at)}</td>
            ${withDevice ? html`<td data-label="Device" class="mono">${r.device ?? "–"}</td>` : ""}
            <td data-label="Kind" class="word">${category(r.category)}</td>
            <td data-label="Reason">${r.reason}</td>
            ${withDevice ? "" : html`<td data-label="Topic" class="mono">${r.topic ?? "–"}</td>`}
            <td data-label="From" class="mono">${r.peer ?? "–"}</td>
            <td data-label="Count" class="right">${r.count.toLocaleString("en-GB")}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

customElements.define("iot-refused", Refused);
