import { html, nothing } from "lit";
import { api, deviceTypes, live, may, navigate, session } from "../app.ts";
import { category, number, withUnit } from "../core/format.ts";
import { devicePath } from "../core/route.ts";
import { fieldErrors } from "../io/session.ts";
import type { Connect, Device, DeviceType, Organization, RefusedEvent, StatusEvent, TelemetryEvent } from "../io/types.ts";
import { Resource } from "../core/resource.ts";
import { said } from "../core/said.ts";
import { Part } from "../ui/base.ts";
import { loaded, mark, saveFile, simulatedBadge, time, type Html } from "../ui/bits.ts";
import { copyBox } from "../ui/copy-box.ts";

const ID = /^[A-Za-z0-9][A-Za-z0-9:._-]{0,63}$/;
const ID_HINT = "1 to 64 letters, digits and : . _ -, beginning with a letter or digit. It is never given to another device.";
const LOOK_AGAIN_MS = 5000;

interface Choices {
  types: DeviceType[];
  organizations: Organization[];
}
interface Added {
  device: Device;
  connect: Connect;
}
interface First {
  measurement: string;
  value: number;
  at: number;
}

/** From a name to the first message: a form, then key and certificate, lines to paste, and what has arrived. */
export class AddDevice extends Part {
  private readonly choices = new Resource<Choices>(fetchChoices, () => this.requestUpdate());
  private readonly added = new Resource<Added>(() => this.fetchAdded(), () => this.requestUpdate());
  private deviceId = asked();
  private leave: (() => void) | null = null;
  private errors: Record<string, string> = {};
  private problem = "";
  private busy = false;
  private downloaded = false;
  private connectedAt: number | null = null;
  private first: First | null = null;
  private refused: RefusedEvent | null = null;

  protected override begin(): void {
    const moved = () => this.show(asked());
    addEventListener("popstate", moved);
    this.until(
      () => removeEventListener("popstate", moved),
      () => this.leave?.(),
      live.on("status", (event) => this.status(event)),
      live.on("telemetry", (event) => this.telemetry(event)),
      live.on("refused", (event) => this.wasRefused(event)),
      live.onResync(() => this.deviceId && void this.added.load()),
    );
    void this.choices.load();
    this.every(LOOK_AGAIN_MS, () => this.deviceId && !this.first && void this.added.load());
    this.show(this.deviceId, true);
  }

  /** The device is in the address: a reload goes on where it was. */
  private show(id: string, again = false): void {
    if (id === this.deviceId && !again) return;
    this.deviceId = id;
    this.downloaded = false;
    this.connectedAt = this.first = this.refused = null;
    this.problem = "";
    this.added.value = { state: "loading" };
    this.leave?.();
    this.leave = id ? live.join(`device:${id}`) : null;
    if (id) void this.added.load();
    this.requestUpdate();
  }

  private async fetchAdded(): Promise<Added> {
    const [device, connect] = await Promise.all([api.device(this.deviceId), this.added.data?.connect ?? api.connect(this.deviceId)]);
    if (device.presence?.connected) this.connectedAt ??= api.now();
    for (const [measurement, { value, ts }] of Object.entries(device.latest)) this.first ??= { measurement, value, at: ts };
    return { device, connect };
  }

  private status({ device, connected, at }: StatusEvent): void {
    if (device !== this.deviceId || !connected) return;
    this.connectedAt = at;
    this.redraw.request();
  }

  private telemetry({ points }: TelemetryEvent): void {
    const point = points.find(([device]) => device === this.deviceId);
    if (!point || this.first) return;
    this.first = { measurement: point[2], value: point[3], at: point[1] };
    this.redraw.request();
  }

  private wasRefused(event: RefusedEvent): void {
    if (event.device !== this.deviceId) return;
    this.refused = event;
    this.redraw.request();
  }

  override render() {
    const title = html`<h1>Add device</h1>`;
    if (!may.operate()) return html`${title}<p class="notice warn">Only operators and administrators add devices.</p>`;
    if (!this.deviceId) return html`${title}${loaded({ value: this.choices.value, retry: this.choices.load, show: (choices) => this.form(choices) })}`;
    return html`${title}${loaded({ value: this.added.value, retry: this.added.load, show: (added) => this.steps(added) })}`;
  }

  private form({ types, organizations }: Choices): Html {
    const own = session.user!.organization;
    return html`<section class="panel narrow" aria-labelledby="add-title">
      <h2 id="add-title">Which device?</h2>
      <form class="form" novalidate @submit=${this.create}>
        ${this.input("id", "Device id", html`<input id="id" name="id" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="64" required
            aria-describedby="id-hint id-error" aria-invalid=${this.errors["id"] ? "true" : "false"} />`, ID_HINT)}
        <div class="two">
          ${this.input("device_type", "Type", html`<select id="device_type" name="device_type">${types.map((type) => html`<option value=${type.key}>${type.title}</option>`)}</select>`)}
          ${organizations.length > 1
            ? this.input("organization", "Organization", html`<select id="organization" name="organization">
                ${organizations.map((o) => html`<option value=${o.id} ?selected=${o.id === own}>${o.name}</option>`)}
              </select>`)
            : nothing}
        </div>
        <label class="switch"><input type="checkbox" name="simulated" />Simulated: everything it sends is marked so, everywhere, for good</label>
        ${this.problem ? html`<p class="notice crit" role="alert">${this.problem}</p>` : nothing}
        <div class="row"><button class="primary" data-testid="add-submit" ?disabled=${this.busy}>${this.busy ? "Adding…" : "Add device"}</button></div>
      </form>
    </section>`;
  }

  private input(name: string, title: string, control: Html, hint = ""): Html {
    const error = this.errors[name];
    return html`<div class="field"><label for=${name}>${title}</label>${control}
      ${hint ? html`<div class="hint" id="${name}-hint">${hint}</div>` : nothing}
      ${error ? html`<div class="field-error" id="${name}-error" role="alert">${error}</div>` : nothing}
    </div>`;
  }

  private readonly create = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const id = String(form.get("id")).trim();
    this.problem = "";
    this.errors = ID.test(id) ? {} : { id: id ? "This is no device id." : "A device needs an id." };
    this.requestUpdate();
    if (this.errors["id"]) return;
    const organization = form.get("organization");
    await this.attempt(async () => {
      await api.createDevice({ id, device_type: form.get("device_type"), simulated: form.has("simulated"), ...(organization ? { organization } : {}) });
      navigate(`/add?${new URLSearchParams({ device: id })}`);
    });
  };

  private readonly download = async (): Promise<void> => {
    const id = this.deviceId;
    this.problem = "";
    await this.attempt(async () => {
      saveFile(await api.issueCertificate(id), `${id}.zip`);
      this.downloaded = true;
    });
  };

  private async attempt(change: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.requestUpdate();
    try {
      await change();
    } catch (error) {
      this.refuse(error);
    }
    this.busy = false;
    this.requestUpdate();
  }

  private refuse(error: unknown): void {
    const reasons = fieldErrors(error);
    for (const { field, reason } of reasons) this.errors[field] = reason;
    if (!reasons.some(({ field }) => ["id", "device_type", "organization"].includes(field))) this.problem = said(error);
  }

  private steps({ device, connect }: Added): Html {
    return html`<div class="row"><h2>${device.id}</h2>${device.simulated ? simulatedBadge : nothing}</div>
      ${this.problem ? html`<p class="notice crit" role="alert">${this.problem}</p>` : nothing}
      <ol class="guide narrow">
        <li class="panel">
          <h3>Download its key and certificate</h3>
          <p class="muted">The zip holds <code>${device.id}.key</code>, <code>${device.id}.crt</code>, <code>ca.crt</code>, <code>${device.id}.json</code> for the Python SDK and a README. The key is kept nowhere else: each download makes a new one.</p>
          <div class="row">
            <button class=${this.downloaded ? "" : "primary"} data-testid="add-download" ?disabled=${this.busy} @click=${this.download}>Download ${device.id}.zip</button>
            ${this.downloaded ? mark("ok", "Downloaded") : nothing}
          </div>
        </li>
        <li class="panel">
          <h3>Send a first message</h3>
          <p class="muted">Unpack the zip and paste one of these beside its files. The device speaks MQTT to <code>${connect.host}:${connect.port}</code>.</p>
          ${copyBox("mosquitto_pub", "Shell", connect.mosquitto_pub)} ${copyBox("python", "Python", connect.python)}
        </li>
        <li class="panel" data-testid="add-waiting" data-state=${this.first ? "received" : "waiting"}>
          <h3>${this.first ? "First message received" : "Waiting for the first message"}</h3>
          <div role="status">${this.arrived()}</div>
          ${this.first
            ? html`<div class="row"><a class="button primary" href=${devicePath(device.id)}>Open the device</a><a class="button" href="/add">Add another</a></div>`
            : html`<div class="row"><a href=${devicePath(device.id)}>Open the device without waiting</a></div>`}
        </li>
      </ol>`;
  }

  private arrived(): Html {
    const { first, refused } = this;
    if (first) return html`<p>${mark("ok", "Received")} ${this.firstText(first)}, ${time(first.at)}</p>`;
    return html`<p>${this.connectedAt ? html`${mark("ok", "Connected")} ${time(this.connectedAt)}, nothing sent yet.` : html`<span class="waiting" aria-hidden="true"></span>It has not connected yet.`}</p>
      ${refused ? html`<p class="notice crit">Refused (${category(refused.category)}): ${refused.reason}</p>` : nothing}`;
  }

  private firstText({ measurement, value }: First): string {
    const type = this.choices.data?.types.find(({ key }) => key === this.added.data?.device.device_type);
    const declared = type?.measurements.find(({ key }) => key === measurement);
    return `${declared?.title ?? measurement} ${withUnit(number(value, declared?.decimals ?? 2), declared?.unit ?? "")}`;
  }
}

async function fetchChoices(): Promise<Choices> {
  const [types, organizations] = await Promise.all([deviceTypes(), api.organizations()]);
  return { types, organizations };
}

/** The device that the address names. */
function asked(): string {
  return new URLSearchParams(location.search).get("device") ?? "";
}

customElements.define("iot-add-device", AddDevice);
