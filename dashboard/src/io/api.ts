import { failure, type Session } from "./session.ts";
import type * as T from "./types.ts";

const BASE = "/api/v1";
const id = encodeURIComponent;

export interface DeviceFilter {
  type?: string;
  organization?: string;
  q?: string;
  connected?: string;
  cursor?: string;
  limit?: number;
}

/** The REST interface, one method for each thing that a page asks. */
export class Api {
  /** Milliseconds by which the server's clock is ahead of this one; ages are reckoned by the server's clock. */
  skewMs = 0;
  private readonly session: Session;

  constructor(session: Session) {
    this.session = session;
  }

  now(): number {
    return Date.now() + this.skewMs;
  }

  types = () => this.get<T.DeviceType[]>("/device-types");
  organizations = () => this.get<T.Organization[]>("/organizations");
  summary = (organization?: string) => this.get<T.FleetSummary>(`/fleet/summary${query({ organization })}`);
  system = () => this.get<T.SystemStatus>("/system/status");
  devices = (filter: DeviceFilter) => this.get<{ items: T.Device[]; next_cursor: string | null }>(`/devices${query({ ...filter })}`);
  device = (device: string) => this.get<T.Device>(`/devices/${id(device)}`);
  createDevice = (body: object) => this.send<T.Device>("POST", "/devices", body);
  retire = (device: string) => this.send<void>("DELETE", `/devices/${id(device)}`);
  setEnabled = (device: string, on: boolean) => this.send<unknown>("POST", `/devices/${id(device)}/${on ? "enable" : "disable"}`);
  connect = (device: string) => this.get<T.Connect>(`/devices/${id(device)}/connect`);
  certificates = async (device: string): Promise<T.Certificate[]> =>
    listed(await this.get<Items<T.Certificate>>(`/devices/${id(device)}/certificates`));
  revoke = (device: string, serial: string) => this.send<unknown>("POST", `/devices/${id(device)}/certificates/${id(serial)}/revoke`);
  refusals = async (device: string): Promise<T.Refusal[]> => listed(await this.get<Items<T.Refusal>>(`/devices/${id(device)}/refusals?limit=100`));
  events = async (device: string): Promise<T.DeviceEvent[]> => listed(await this.get<Items<T.DeviceEvent>>(`/devices/${id(device)}/events?limit=50`));
  gaps = async (device: string): Promise<T.Run[]> => listed(await this.get<Items<T.Run>>(`/devices/${id(device)}/gaps`));
  unknownDevices = async (): Promise<T.Refusal[]> => listed(await this.get<Items<T.Refusal>>("/refusals/unknown"));
  deadLetters = (filter: Record<string, string | number>) => this.get<T.LetterPage>(`/dead-letters${query(filter)}`);
  deadLetter = (letter: number) => this.get<T.LetterDetail>(`/dead-letters/${letter}`);
  replayLetters = (chosen: T.Chosen, wait: number) => this.send<T.Replay>("POST", `/dead-letters/replay${query({ wait })}`, chosen);
  dropLetters = (chosen: T.Chosen) => this.send<{ dropped: number }>("POST", "/dead-letters/drop", chosen);
  shadow = (device: string) => this.get<T.ShadowDocument>(`/devices/${id(device)}/shadow`);
  desire = (device: string, desired: object) =>
    this.send<T.ShadowDocument>("PATCH", `/devices/${id(device)}/shadow`, { desired }, "application/merge-patch+json");
  commands = (device: string, cursor?: string) => this.get<T.CommandPage>(`/devices/${id(device)}/commands${query({ limit: 20, cursor })}`);
  cancel = (command: string) => this.send<T.Command>("POST", `/commands/${id(command)}/cancel`);
  run = (device: string, name: string, params: object) => this.send<T.Command>("POST", `/devices/${id(device)}/commands`, { name, params });
  history = (device: string, { from, to, points }: { from: number; to?: number; points: number }) =>
    this.get<T.History>(`/telemetry/${id(device)}${query({ from: Math.round(from), to: to && Math.round(to), max_points: points, aggregates: "min,max" })}`);

  /** Every reading of a stretch, as the server streams it. */
  async readingsFile(device: string, from: number, to: number): Promise<Blob> {
    const path = `/telemetry/${id(device)}${query({ from: Math.round(from), to: Math.round(to) })}`;
    const response = await this.call(path, { headers: { Accept: "text/csv" } });
    return response.blob();
  }

  /** The zip with key, certificate and CA. The platform keeps no key: each call issues a new certificate. */
  async issueCertificate(device: string): Promise<Blob> {
    const response = await this.call(`/devices/${id(device)}/certificate`, { method: "POST" });
    return response.blob();
  }

  private async get<R>(path: string): Promise<R> {
    const response = await this.call(path, {});
    return (await response.json()) as R;
  }

  private async send<R>(method: string, path: string, body?: object, type = "application/json"): Promise<R> {
    const init: RequestInit = body ? { method, body: JSON.stringify(body), headers: { "Content-Type": type } } : { method };
    const response = await this.call(path, init);
    const text = await response.text();
    return (text ? JSON.parse(text) : undefined) as R;
  }

  private async call(path: string, init: RequestInit): Promise<Response> {
    const response = await this.authorized(path, init, this.session.token);
    if (response.status !== 401) return checked(response);
    return checked(await this.authorized(path, init, await this.session.renew()));
  }

  private async authorized(path: string, init: RequestInit, token: string): Promise<Response> {
    const response = await fetch(BASE + path, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });
    this.readClock(response.headers.get("Date"));
    return response;
  }

  private readClock(date: string | null): void {
    const ahead = date ? Date.parse(date) - Date.now() : NaN;
    // The header counts whole seconds: what is smaller than two is no difference worth correcting.
    if (Number.isFinite(ahead)) this.skewMs = Math.abs(ahead) > 2000 ? ahead : 0;
  }
}

interface Items<Row> {
  items: Row[];
}

function listed<Row>({ items }: Items<Row>): Row[] {
  return items;
}

async function checked(response: Response): Promise<Response> {
  if (!response.ok) throw await failure(response);
  return response;
}

function query(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}` : "";
}
