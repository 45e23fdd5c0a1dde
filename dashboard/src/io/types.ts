/** The shapes of the REST and Socket.IO interface. Times in entities are RFC 3339 text, in telemetry and live events ms. */
import type { LatestByMeasurement, Point } from "../core/merge.ts";

export interface User {
  id: string;
  role: "admin" | "operator" | "viewer";
  organization: string;
  all_organizations: boolean;
}
export interface Tokens {
  access_token: string;
  expires_in: number;
  refresh_token: string;
  user: User;
}
export interface Measurement {
  key: string;
  title: string;
  unit: string;
  low: number | null;
  high: number | null;
  interval_s: number | null;
  widget: "gauge" | "number" | "chart" | "switch" | "level";
  decimals: number;
  /** The device reports it and its type does not know it. Never said by the server. */
  undeclared?: true;
}
export interface Property {
  key: string;
  title: string;
  kind: "number" | "integer" | "boolean" | "string";
  unit: string;
  low: number | null;
  high: number | null;
  options: string[];
  writable: boolean;
  default: number | boolean | string | null;
}
export interface CommandSpec {
  name: string;
  title: string;
  params: Property[];
  timeout_s: number;
  risky: boolean;
}
export interface DeviceType {
  key: string;
  collection: string;
  title: string;
  manufacturer: string;
  model: string;
  measurements: Measurement[];
  properties: Property[];
  commands: CommandSpec[];
}
export interface Presence {
  connected: boolean;
  /** RFC 3339 from REST, ms from a live event. */
  since: string | number | null;
  reason: string | null;
  session: number | null;
}
export interface Device {
  id: string;
  device_type: string;
  manufacturer: string;
  organization: string;
  kind: string;
  simulated: boolean;
  status: string;
  created_at: string;
  last_connected: string | null;
  presence: Presence | null;
  /** What it last said about itself, in its own words. */
  status_text: { text: string; at: string } | null;
  last_data_at: number | null;
  stale: boolean | null;
  /** How old its newest reading may be, seconds; null: nobody knows yet. */
  stale_after_s: number | null;
  latest: LatestByMeasurement;
}
export interface FleetSummary {
  total: number;
  connected: number;
  stale: number;
  offline: number;
  simulated: number;
  by_type: Record<string, number>;
  points_last_minute: number;
  numbers: Numbers & { lost: number };
}
export interface History {
  device: string;
  simulated: boolean;
  from: number | string;
  to: number | string;
  unit: Record<string, string>;
  /** `raw`, or the width of the buckets whose beginnings are in `ts`. */
  resolution: string;
  step_s: number | null;
  columns: Record<string, (number | null)[]> & { ts: number[] };
  /** Of buckets: what was asked for, by its name and then by measurement. */
  aggregates: Record<string, Record<string, (number | null)[]>>;
  downsampled: boolean;
}
export interface Convergence {
  state: "applied" | "pending" | "in_progress" | "refused" | "failed";
  since: string | null;
  code: number | null;
  reason: string;
}
export interface ShadowDocument {
  state: { desired?: Record<string, unknown>; reported?: Record<string, unknown>; delta?: Record<string, unknown> };
  metadata?: unknown;
  version: number;
  timestamp?: number;
  convergence?: Record<string, Convergence>;
}
export interface Transition {
  status: string;
  at: string | number;
  actor?: string | null;
  reason?: unknown;
}
export interface Command {
  id: string;
  device: string;
  name: string;
  params: Record<string, unknown> | null;
  status: string;
  actor: string | null;
  created_at: string;
  expires_at: string | null;
  changed_at: string | number | null;
  reason: unknown;
  result: unknown;
  transitions: Transition[];
  attempts?: number;
  /** Unanswered for so long that the device's later commands go first. */
  parked?: boolean;
  /** Answered after its time was over. */
  late?: boolean;
  simulated: boolean;
}
export interface Refusal {
  id: string;
  at: string;
  category: string;
  reason: string;
  topic: string | null;
  peer: string | null;
  count: number;
  device: string | null;
}
export interface DeviceEvent {
  timestamp: string;
  name: string;
  severity: "info" | "warning" | "error" | "critical";
  data: Record<string, unknown> | null;
}
/** Sequence numbers: each is received, declared lost by the device itself, or missing. */
export interface Numbers {
  received: number;
  missing: number;
  declared_lost: number;
  repeated: number;
  late: number;
}
export type NumberRange = [first: number, last: number];
/** One start of a device, or one session of a device that does not name its starts. */
export interface Run {
  boot: string | null;
  session: number | null;
  first_seen: string;
  last_seen: string;
  lowest: number | null;
  highest: number | null;
  numbers: Numbers;
  missing_ranges: NumberRange[];
  declared_ranges: NumberRange[];
}
export interface Certificate {
  serial: string;
  fingerprint: string;
  issued_at: string;
  not_after: string;
  revoked_at: string | null;
  revoked_reason: string | null;
}
export interface Connect {
  host: string;
  port: number;
  ca_pem: string;
  topics: Record<string, string>;
  mosquitto_pub: string;
  python: string;
}
export interface Service {
  state: string;
  restarts?: number;
}
export interface SystemStatus {
  ready: boolean;
  services: Record<string, Service>;
  /** Bytes; `paused`: intake waits because the disk is full. */
  disk: { used?: number | null; free?: number | null; days_left?: number | null; paused?: boolean };
  bus_ok: boolean;
  live: "ok" | "interrupted";
  version: string;
}
export interface Organization {
  id: string;
  name: string;
}

export interface TelemetryEvent {
  room: string;
  seq: number;
  sent_at: number;
  simulated: boolean | null;
  points: Point[];
  truncated: boolean;
}
export interface StatusEvent {
  device: string;
  device_type: string;
  organization: string;
  simulated: boolean;
  connected: boolean;
  session: number | null;
  reason: string | null;
  at: number;
}
export interface CommandEvent {
  id: string;
  device: string;
  name: string;
  status: string;
  at: number | string;
  reason?: unknown;
  result?: unknown;
  parked?: boolean;
  simulated: boolean;
}
export interface ShadowEvent {
  device: string;
  name: string | null;
  version: number;
  delta: unknown;
  at: number;
  simulated: boolean;
}
export interface RefusedEvent {
  device: string | null;
  category: string;
  reason: string;
  at: number;
  count: number;
}

/** Something of a device that could not be stored. */
export interface Letter {
  id: number;
  at: string;
  received_at: string;
  device: string;
  organization: string | null;
  topic: string;
  measurement: string | null;
  category: string;
  reason: string;
  /** Bytes of the message; `cut`: only their beginning is kept. */
  size: number;
  cut: boolean;
  /** How often it was replayed in vain. */
  replays: number;
  waiting: boolean;
}

/** Newest first; `next_cursor` leads to older ones, null when there are none. */
export interface CommandPage {
  items: Command[];
  next_cursor: string | null;
}

export interface LetterPage {
  items: Letter[];
  next_cursor: string | null;
  /** Those that went because of their age or for want of room. */
  lost: { letters: number; newest: string | null };
}

export interface LetterDetail extends Letter {
  payload: { format: string; text: string; base64: string };
}

/** Which letters are meant: by id, or by what they have in common. */
export interface Chosen {
  ids?: number[];
  device?: string;
  category?: string;
  reason?: string;
  all?: boolean;
}

export interface Replay {
  id: string;
  asked: number;
  came_through: number;
  failed: number;
  waiting: number;
  dropped: number;
  done: boolean;
}
