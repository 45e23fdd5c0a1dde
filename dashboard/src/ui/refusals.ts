import { html, nothing } from "lit";
import { api, live } from "../app.ts";
import { Coalescer } from "../core/coalesce.ts";
import { plural } from "../core/format.ts";
import { filterPath } from "../core/letters.ts";
import type { Refusal } from "../io/types.ts";
import { refusalTable } from "../pages/refused.ts";
import { Resource } from "../core/resource.ts";
import { loaded, panel } from "./bits.ts";
import { DevicePanel } from "./panel-part.ts";

/** The last hundred things that were refused, with the reason: the first place to look when a device cannot get in. */
export class Refusals extends DevicePanel {
  private readonly list = new Resource<Refusal[]>(() => api.refusals(this.deviceId), () => this.requestUpdate());
  private readonly reload = new Coalescer(() => void this.list.load(), 2000);

  protected override begin(): void {
    this.until(
      live.on("refused", (event) => event.device === this.deviceId && this.reload.request()),
      live.onResync(() => void this.list.load()),
      () => this.reload.stop(),
    );
  }

  protected override reset(): void {
    this.list.restart();
  }

  override render() {
    const rows = this.list.data;
    return panel({
      id: "refusals",
      title: "Refused",
      actions: html`${rows?.length ? html`<span class="muted small">${rows.length === 100 ? "the last 100" : plural(rows.length, "entry", "entries")}</span>` : nothing}
        <a class="button" href=${filterPath({ device: this.deviceId, category: "", reason: "" })}>Dead letters</a>`,
      body: loaded({
        value: this.list.value,
        retry: this.list.load,
        empty: (all) => all.length === 0,
        emptyText: "Nothing this device sent was refused.",
        show: (all) => refusalTable(all),
      }),
    });
  }
}

customElements.define("iot-refusals", Refusals);
