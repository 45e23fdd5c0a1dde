import { html, nothing } from "lit";
import { api, live } from "../app.ts";
import { Coalescer } from "../core/coalesce.ts";
import { named, rangesText, summary } from "../core/numbers.ts";
import { Resource } from "../core/resource.ts";
import type { NumberRange, Run } from "../io/types.ts";
import { loaded, mark, panel, time, type Html } from "./bits.ts";
import { DevicePanel } from "./panel-part.ts";

/** Which of the device's own sequence numbers came, and which never did. */
export class Gaps extends DevicePanel {
  private readonly list = new Resource<Run[]>(() => api.gaps(this.deviceId), () => this.requestUpdate());
  private readonly reload = new Coalescer(() => void this.list.load(), 10_000);

  protected override begin(): void {
    this.until(
      live.on("telemetry", ({ points }) => points.some(([id]) => id === this.deviceId) && this.reload.request()),
      live.onResync(() => void this.list.load()),
      () => this.reload.stop(),
    );
  }

  protected override reset(): void {
    this.list.restart();
  }

  override render() {
    return panel({
      id: "gaps",
      title: "Sequence",
      body: loaded({
        value: this.list.value,
        retry: this.list.load,
        empty: (runs) => runs.length === 0,
        emptyText: "This device does not number its messages, so nobody can tell whether one is missing.",
        show: ([newest, ...older]) => html`${newest ? run(newest) : nothing}${older.length ? earlier(older) : nothing}`,
      }),
    });
  }
}

function run({ boot, session, first_seen, last_seen, numbers, missing_ranges, declared_ranges }: Run): Html {
  return html`<div data-testid="run">
    <p>${numbers.missing ? mark("warn", "Messages are missing") : mark("ok", "Nothing is missing")}</p>
    <p data-testid="numbers">${summary(numbers)}</p>
    <p class="muted small">${boot === null ? `Session ${session}` : `Start ${boot}`} · ${time(first_seen)} to ${time(last_seen)}</p>
    ${ranges("Missing", missing_ranges, numbers.missing)} ${ranges("Declared lost by the device", declared_ranges, numbers.declared_lost)}
  </div>`;
}

function ranges(title: string, shown: NumberRange[], all: number): Html {
  if (!all) return nothing;
  const more = all - named(shown);
  return html`<details><summary>${title}</summary><p class="small">${rangesText(shown)}${more > 0 ? ` and ${more.toLocaleString("en-GB")} older` : nothing}</p></details>`;
}

function earlier(runs: Run[]): Html {
  return html`<details><summary>Earlier starts and sessions</summary>${runs.map(run)}</details>`;
}

customElements.define("iot-gaps", Gaps);
