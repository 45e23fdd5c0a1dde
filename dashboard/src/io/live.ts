import { io, type Socket } from "socket.io-client";
import { Coalescer } from "../core/coalesce.ts";
import { Sequences } from "../core/merge.ts";
import { Rooms } from "../core/rooms.ts";
import type { Session } from "./session.ts";
import type * as T from "./types.ts";

export interface LiveEvents {
  telemetry: T.TelemetryEvent;
  status: T.StatusEvent;
  command: T.CommandEvent;
  shadow: T.ShadowEvent;
  refused: T.RefusedEvent;
}
export type LiveState = "connecting" | "live" | "interrupted" | "lost";
type Listener<E> = (event: E) => void;

/** A blip shorter than this (a renewed token, a restart behind a proxy) is not shown. */
const GRACE_MS = 1000;
const JOIN_WAIT_MS = 5000;
const JOIN_AGAIN_MS = 5000;
/** However many gaps there are, snapshots are fetched no more often than this. */
const CATCH_UP_MS = 2000;
/** The newest values reach the store up to a second after their event: a snapshot taken at once may lack what we were too late to hear. */
const SETTLED_MS = 1200;

/**
 * The live channel. The server does not keep what happened while we were away, so every connect (and every gap in a room's
 * numbering) asks all panels to fetch a snapshot over REST; the events that follow are merged by their time.
 */
export class Live {
  state: LiveState = "connecting";
  lostSince: number | null = null;
  private socket: Socket | null = null;
  private busInterrupted = false;
  private grace: ReturnType<typeof setTimeout> | undefined;
  private readonly catchUp = new Coalescer(() => this.resync(), CATCH_UP_MS);
  private readonly rooms = new Rooms();
  private readonly sequences = new Sequences();
  private readonly listeners = new Map<string, Set<Listener<never>>>();
  private readonly resyncs = new Set<() => void>();
  private readonly watchers = new Set<() => void>();
  private readonly session: Session;

  constructor(session: Session) {
    this.session = session;
  }

  start(): void {
    if (this.socket) return;
    const socket = io({
      path: "/socket.io",
      transports: ["websocket"],
      reconnectionDelay: 500,
      reconnectionDelayMax: 5000,
      auth: (give) => give({ token: this.session.token }),
    });
    this.socket = socket;
    socket.on("connect", () => this.connected());
    socket.on("disconnect", (reason) => this.disconnected(reason));
    socket.on("connect_error", () => void this.refused());
    socket.on("expired", () => void this.session.renew().catch(() => undefined));
    socket.on("live", ({ state }: { state: string }) => this.busState(state));
    socket.on("telemetry", (event: T.TelemetryEvent) => this.telemetry(event));
    for (const name of ["status", "command", "shadow", "refused"]) socket.on(name, (event) => this.tell(name, event));
  }

  stop(): void {
    this.socket?.removeAllListeners();
    this.socket?.disconnect();
    this.socket = null;
    this.catchUp.stop();
    clearTimeout(this.grace);
    this.grace = undefined;
    this.lostSince = null;
    this.become("connecting");
  }

  /** Join a room for as long as it is wanted; returns how to leave it. */
  join(room: string): () => void {
    if (this.rooms.acquire(room)) void this.enterAndCatchUp(room);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      if (!this.rooms.release(room)) return;
      this.sequences.forget(room);
      if (this.socket?.connected) this.socket.emit("leave", { room });
    };
  }

  on<K extends keyof LiveEvents>(name: K, listener: Listener<LiveEvents[K]>): () => void {
    return added(this.listeners, name, listener as Listener<never>);
  }

  /** Called whenever a snapshot must be fetched again. */
  onResync(run: () => void): () => void {
    this.resyncs.add(run);
    return () => this.resyncs.delete(run);
  }

  onState(run: () => void): () => void {
    this.watchers.add(run);
    return () => this.watchers.delete(run);
  }

  private connected(): void {
    clearTimeout(this.grace);
    this.grace = undefined;
    this.lostSince = null;
    this.sequences.reset();
    this.busInterrupted = false;
    this.become("live");
    // Only what happens after the server has let us in is heard: the snapshot comes after that.
    void Promise.all(this.rooms.wanted().map((room) => this.enter(room))).then(() => {
      this.resync();
      this.catchUpOnceSettled();
    });
  }

  private disconnected(reason: string): void {
    this.lost();
    // The client reconnects by itself except when the server closed the session, as it does when a token has run out.
    if (reason === "io server disconnect") void this.reconnect();
  }

  private async refused(): Promise<void> {
    this.lost();
    if (this.socket && !this.socket.active) await this.reconnect(1000);
  }

  private async reconnect(waitMs = 0): Promise<void> {
    if (waitMs) await new Promise((done) => setTimeout(done, waitMs));
    try {
      await this.session.renew();
    } catch {
      if (!this.session.user) return; // signed out meanwhile
      return this.reconnect(2000);
    }
    this.socket?.connect();
  }

  private lost(): void {
    this.lostSince ??= Date.now();
    this.grace ??= setTimeout(() => this.become("lost"), GRACE_MS);
  }

  private busState(state: string): void {
    const wasInterrupted = this.busInterrupted;
    this.busInterrupted = state === "interrupted";
    if (this.state !== "lost") this.become(this.busInterrupted ? "interrupted" : "live");
    if (wasInterrupted && !this.busInterrupted) this.resync();
  }

  private telemetry(event: T.TelemetryEvent): void {
    if (!this.rooms.has(event.room)) return; // left meanwhile
    const order = this.sequences.check(event.room, event.seq);
    if (order === "old") return;
    // The room of one device promises every reading; elsewhere "truncated" says that more follows.
    if (order === "gap" || (event.truncated && event.room.startsWith("device:"))) this.catchUp.request();
    this.tell("telemetry", event);
  }

  /** Whether the server let us in. Where it did not (a part of the platform is away), it is asked again while the room is wanted. */
  private async enter(room: string): Promise<boolean> {
    const socket = this.socket;
    if (!socket?.connected) return false;
    this.sequences.forget(room);
    const { ok } = await socket.timeout(JOIN_WAIT_MS).emitWithAck("join", { room }).catch(() => ({ ok: false }));
    if (!ok) setTimeout(() => this.rooms.has(room) && this.socket === socket && void this.enterAndCatchUp(room), JOIN_AGAIN_MS);
    return ok;
  }

  private async enterAndCatchUp(room: string): Promise<void> {
    if (!(await this.enter(room))) return;
    this.catchUp.request();
    this.catchUpOnceSettled();
  }

  private catchUpOnceSettled(): void {
    setTimeout(() => this.socket && this.catchUp.request(), SETTLED_MS);
  }

  private resync(): void {
    for (const run of this.resyncs) run();
  }

  private become(state: LiveState): void {
    this.state = state;
    for (const run of this.watchers) run();
  }

  private tell(name: string, event: unknown): void {
    for (const listener of this.listeners.get(name) ?? []) listener(event as never);
  }
}

function added<V>(map: Map<string, Set<V>>, key: string, value: V): () => void {
  const set = map.get(key) ?? new Set();
  map.set(key, set.add(value));
  return () => set.delete(value);
}
