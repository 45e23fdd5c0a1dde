import { html, nothing } from "lit";
import { api, live, may } from "../app.ts";
import { localDate, toMs } from "../core/format.ts";
import type { Certificate } from "../io/types.ts";
import { Resource } from "../core/resource.ts";
import { said } from "../core/said.ts";
import { confirmed, loaded, mark, panel, saveFile, time, type Html } from "./bits.ts";
import { DevicePanel } from "./panel-part.ts";

/** What the device may prove its identity with. */
export class Certificates extends DevicePanel {
  private readonly list = new Resource<Certificate[]>(() => api.certificates(this.deviceId), () => this.requestUpdate());
  private problem = "";

  protected override begin(): void {
    this.until(live.onResync(() => void this.list.load()));
  }

  protected override reset(): void {
    this.problem = "";
    this.list.restart();
  }

  override render() {
    return panel({
      id: "certificates",
      title: "Certificates",
      actions: may.operate() ? html`<button @click=${() => void this.issue()}>Issue new</button>` : nothing,
      body: html`${this.problem ? html`<p class="notice crit" role="alert">${this.problem}</p>` : nothing}
      ${loaded({
        value: this.list.value,
        retry: this.list.load,
        empty: (all) => all.length === 0,
        emptyText: "No certificate was issued: this device cannot connect.",
        show: (all) => this.table(all),
      })}`,
    });
  }

  private table(all: Certificate[]): Html {
    return html`<table class="cardy">
      <thead><tr><th scope="col">Serial</th><th scope="col">Valid until</th><th scope="col">State</th>${may.administer() ? html`<th scope="col"><span class="visually-hidden">Action</span></th>` : nothing}</tr></thead>
      <tbody>${all.map((certificate) => this.row(certificate))}</tbody>
    </table>`;
  }

  private row({ serial, not_after, revoked_at }: Certificate): Html {
    const ended = (toMs(not_after) ?? Infinity) < api.now();
    const state = revoked_at ? html`${mark("crit", "Revoked")} <span class="small muted">${time(revoked_at)}</span>` : ended ? mark("warn", "Expired") : mark("ok", "Valid");
    return html`<tr>
      <td data-label="Serial" class="mono" title=${serial}>${serial.length > 14 ? `${serial.slice(0, 12)}…` : serial}</td>
      <td data-label="Valid until">${localDate(not_after)}</td>
      <td data-label="State"><span>${state}</span></td>
      ${may.administer()
        ? html`<td class="right" data-label="">${revoked_at ? nothing : html`<button class="danger" aria-label="Revoke certificate ${serial}" @click=${() => void this.revoke(serial)}>Revoke…</button>`}</td>`
        : nothing}
    </tr>`;
  }

  private async revoke(serial: string): Promise<void> {
    const sure = await confirmed("Revoke this certificate?", "A session that uses it ends at once, and it never works again.", "Revoke");
    if (sure) await this.act(() => api.revoke(this.deviceId, serial));
  }

  private async issue(): Promise<void> {
    const id = this.deviceId;
    await this.act(async () => saveFile(await api.issueCertificate(id), `${id}.zip`));
  }

  private async act(change: () => Promise<unknown>): Promise<void> {
    this.problem = "";
    try {
      await change();
    } catch (error) {
      this.problem = said(error);
    }
    await this.list.load();
    this.requestUpdate();
  }
}

customElements.define("iot-certificates", Certificates);
