import { html, nothing } from "lit";
import { api, deviceTypes, live, may, navigate, session } from "../app.ts";
import { Coalescer } from "../core/coalesce.ts";
import { bytes, plural } from "../core/format.ts";
import { alarms } from "../core/system.ts";
import { hear, mergeDevice, setPresence } from "../core/merge.ts";
import type { Device, DeviceType, FleetSummary, Organization, StatusEvent, SystemStatus, TelemetryEvent } from "../io/types.ts";
import { route } from "../core/route.ts";
import { Resource } from "../core/resource.ts";
import { said } from "../core/said.ts";
import { Part } from "../ui/base.ts";
import { loaded, mark, type Html } from "../ui/bits.ts";
import { deviceState } from "../ui/device-card.ts";

const PAGE = 100;

interface Listing {
  devices: Map<string, Device>;
  next: string | null;
}
type Filter = Record<"q" | "type" | "state" | "organization", string>;

const STATES: Record<string, string> = { connected: "Connected", stale: "Stale", offline: "Offline", simulated: "Simulated" };

/** What is in trouble, then every device with its live values. The filter is in the address, so that it can be shared. */
export class Fleet extends Part {
  private types = new Map<string, DeviceType>();
  private organizations: Organization[] = [];
  private filter: Filter = readFilter();
  /** Why there are no more devices to see. */
  private problem = "";
  private leaveRoom: (() => void) | null = null;
  private readonly listing = new Resource<Listing>(() => this.fetchDevices(), () => this.requestUpdate());
  private readonly summary = new Resource<FleetSummary>(() => api.summary(this.filter.organization), () => this.requestUpdate());
  private readonly system = new Resource<SystemStatus>(api.system, () => this.requestUpdate());
  private readonly recount = new Coalescer(() => void this.summary.load(), 1000);

  protected override begin(): void {
    const moved = () => this.filterChanged();
    addEventListener("popstate", moved);
    this.until(
      () => removeEventListener("popstate", moved),
      live.on("telemetry", (event) => this.telemetry(event)),
      live.on("status", (event) => this.status(event)),
      () => this.leaveRoom?.(),
      () => this.recount.stop(),
    );
    this.loadAndResync(() => this.loadAll());
    this.every(1000, () => this.redraw.request());
    this.every(10_000, () => void this.summary.load());
    this.every(30_000, () => void this.system.load());
    this.joinRoom();
    void this.fetchOrganizations();
  }

  private loadAll(): void {
    void this.listing.load();
    void this.summary.load();
    void this.system.load();
  }

  private joinRoom(): void {
    const { all_organizations, organization } = session.user!;
    this.leaveRoom?.();
    this.leaveRoom = live.join(`org:${this.filter.organization || (all_organizations ? "*" : organization)}`);
  }

  private async fetchOrganizations(): Promise<void> {
    this.organizations = session.user!.all_organizations ? await api.organizations().catch(() => []) : [];
    this.requestUpdate();
  }

  private async fetchDevices(cursor?: string): Promise<Listing> {
    const types = await deviceTypes();
    this.types = new Map(types.map((type) => [type.key, type]));
    const { q, type, state, organization } = this.filter;
    const connected = state === "connected" || state === "stale" ? "true" : state === "offline" ? "false" : "";
    const page = await api.devices({ q, type, organization, connected, limit: PAGE, ...(cursor ? { cursor } : {}) });
    const known = this.listing.data?.devices;
    const before = cursor ? [...(known ?? [])] : [];
    const merged = page.items.map((d): [string, Device] => [d.id, mergeDevice(known?.get(d.id), d)]);
    return { devices: new Map([...before, ...merged]), next: page.next_cursor };
  }

  private async more(): Promise<void> {
    this.problem = "";
    try {
      await this.listing.extend(({ next }) => this.fetchDevices(next ?? undefined));
    } catch (error) {
      this.problem = said(error);
      this.requestUpdate();
    }
  }

  private telemetry({ points }: TelemetryEvent): void {
    this.listing.tell(({ devices }) => {
      for (const [id, ts, measurement, value] of points) {
        const device = devices.get(id);
        if (device) hear(device, measurement, { value, ts });
      }
    });
    this.redraw.request();
  }

  private status({ device: id, connected, reason, session: of, at }: StatusEvent): void {
    this.listing.tell(({ devices }) => {
      const device = devices.get(id);
      if (device) setPresence(device, { connected, reason, since: at, session: of });
    });
    this.recount.request();
    this.redraw.request();
  }

  private filterChanged(): void {
    if (route(location.pathname).page !== "fleet") return; // about to be left
    const next = readFilter();
    const organization = next.organization !== this.filter.organization;
    this.filter = next;
    this.problem = "";
    void this.listing.load();
    if (!organization) return;
    void this.summary.load();
    this.joinRoom();
  }

  private choose(change: Partial<Filter>): void {
    navigate(filterPath({ ...this.filter, ...change }), "q" in change);
  }

  override render() {
    this.announceSimulated();
    return html`
      <div class="page-head"><h1 class="grow">Fleet</h1></div>
      ${this.alarms()} ${this.tiles()} ${this.strip()} ${this.filters()}
      ${loaded({ value: this.listing.value, retry: this.listing.load, show: (data) => this.grid(data) })}
    `;
  }

  private announceSimulated(): void {
    const s = this.summary.data;
    const text = s?.simulated ? `${s.simulated.toLocaleString("en-GB")} of ${plural(s.total, "device")} ${s.simulated === 1 ? "is" : "are"} simulated` : "";
    this.dispatchEvent(new CustomEvent("iot-simulated", { detail: text, bubbles: true }));
  }

  private alarms(): Html {
    const system = this.system.data;
    return html`<div role="status" class="alarms">${(system ? alarms(system) : []).map((text) => html`<p class="notice crit">${mark("crit", "Alarm")} ${text}</p>`)}</div>`;
  }

  private tiles(): Html {
    const s = this.summary.data;
    const tile = (state: string, title: string, count: number | undefined, tone = "") => html`<a
      class="tile"
      href=${filterPath({ ...this.filter, state })}
      aria-current=${this.filter.state === state ? "true" : nothing}
      data-testid="tile-${state || "total"}"
    >
      <span class="num ${count ? tone : ""}">${count?.toLocaleString("en-GB") ?? "–"}</span><span class="muted small">${title}</span>
    </a>`;
    return html`<nav class="tiles" aria-label="Devices by state">
      ${tile("", "Devices", s?.total)} ${tile("connected", "Connected", s?.connected, "ok")} ${tile("stale", "Stale", s?.stale, "warn")}
      ${tile("offline", "Offline", s?.offline, "off")} ${tile("simulated", "Simulated", s?.simulated, "sim")}
    </nav>`;
  }

  private strip(): Html {
    const system = this.system.data;
    const disk = system?.disk;
    return html`<div class="strip" data-testid="system-strip">
      <span><b>${this.summary.data?.points_last_minute.toLocaleString("en-GB") ?? "–"}</b> readings in the last minute</span>
      ${disk?.used != null ? html`<span>Disk <b>${bytes(disk.used)}</b> used${disk.free != null ? html`, <b>${bytes(disk.free)}</b> free` : nothing}</span>` : nothing}
      ${disk?.days_left != null ? html`<span><b>${plural(Math.floor(disk.days_left), "day")}</b> left at this rate</span>` : nothing}
      ${system ? html`<span><b>${ready(system)} of ${Object.keys(system.services).length}</b> services ready</span><span>IoTSphere ${system.version}</span>` : nothing}
    </div>`;
  }

  private filters(): Html {
    const { q, type, state, organization } = this.filter;
    const value = (e: Event) => (e.target as HTMLInputElement).value;
    const option = (key: string, title: string, chosen: string) => html`<option value=${key} ?selected=${key === chosen}>${title}</option>`;
    return html`<search class="filters">
      <input type="search" aria-label="Search devices" placeholder="Search devices" .value=${q} @input=${(e: Event) => this.choose({ q: value(e) })} />
      <select aria-label="Type" @change=${(e: Event) => this.choose({ type: value(e) })}>
        ${option("", "All types", type)}${[...this.types.values()].map((t) => option(t.key, t.title, type))}
      </select>
      <select aria-label="State" @change=${(e: Event) => this.choose({ state: value(e) })}>
        ${option("", "All states", state)}${Object.entries(STATES).map(([key, title]) => option(key, title, state))}
      </select>
      ${this.organizations.length > 1
        ? html`<select aria-label="Organization" @change=${(e: Event) => this.choose({ organization: value(e) })}>
            ${option("", "All organizations", organization)}${this.organizations.map((o) => option(o.id, o.name, organization))}
          </select>`
        : nothing}
    </search>`;
  }

  private grid({ devices, next }: Listing): Html {
    const now = api.now();
    const shown = [...devices.values()].filter((device) => this.wanted(device, now));
    if (!shown.length && !next) return this.none(devices.size > 0);
    return html`<h2 class="visually-hidden">Devices</h2>
      <div class="cards" data-testid="cards">
        ${shown.map((device) => html`<iot-device-card .device=${device} .type=${this.types.get(device.device_type)} .now=${now}></iot-device-card>`)}
      </div>
      ${this.problem ? html`<p class="notice crit" role="alert">${this.problem}</p>` : nothing}
      ${next ? html`<div class="state"><button @click=${() => void this.more()}>Show more</button></div>` : nothing}`;
  }

  /** The server filters what it can; silence is reckoned here, because it comes with time and not with an event. */
  private wanted(device: Device, now: number): boolean {
    const { tone } = deviceState(device, now);
    switch (this.filter.state) {
      case "stale":
        return tone === "warn";
      case "connected":
        return device.presence?.connected === true;
      case "offline":
        return !device.presence?.connected;
      case "simulated":
        return device.simulated;
      default:
        return true;
    }
  }

  private none(others: boolean): Html {
    const filtered = others || Object.values(this.filter).some(Boolean);
    return filtered
      ? html`<div class="state panel"><p>No device matches.</p><a class="button" href="/">Show all devices</a></div>`
      : html`<div class="state panel"><p>There are no devices yet.</p>${may.operate() ? html`<a class="button primary" href="/add">Add a device</a>` : nothing}</div>`;
  }
}

function ready({ services }: SystemStatus): number {
  return Object.values(services).filter(({ state }) => state === "ready").length;
}

function readFilter(): Filter {
  const given = new URLSearchParams(location.search);
  const read = (key: string) => given.get(key) ?? "";
  return { q: read("q"), type: read("type"), state: read("state"), organization: read("organization") };
}

function filterPath(filter: Filter): string {
  const given = Object.entries(filter).filter(([, value]) => value);
  return given.length ? `/?${new URLSearchParams(given)}` : "/";
}

customElements.define("iot-fleet", Fleet);
