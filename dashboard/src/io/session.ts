import type { Tokens, User } from "./types.ts";

const REFRESH_KEY = "iotsphere.refresh";
/** Renew this long before the access token ends. */
const EARLY_S = 60;

export class ApiError extends Error {
  readonly status: number;
  readonly field: string | null;
  readonly errors: { field: string; reason: string }[];

  constructor(status: number, problem: Problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.field = problem.field ?? null;
    this.errors = problem.errors ?? [];
  }
}

/** What is wrong with which field, if the server said so. */
export function fieldErrors(error: unknown): { field: string; reason: string }[] {
  if (!(error instanceof ApiError)) return [];
  if (error.errors.length) return error.errors;
  return error.field ? [{ field: error.field, reason: error.message }] : [];
}

interface Problem {
  title?: string;
  detail?: string;
  field?: string;
  errors?: { field: string; reason: string }[];
}

export async function failure(response: Response): Promise<ApiError> {
  const problem = await response.json().catch(() => ({}));
  return new ApiError(response.status, problem as Problem);
}

type Fetch = (path: string, init?: RequestInit) => Promise<Response>;
type Storage = Pick<globalThis.Storage, "getItem" | "setItem" | "removeItem">;

/**
 * Who is signed in. The access token lives in memory only; the refresh token in the tab's session storage, so that a reload
 * does not sign out and closing the tab does.
 */
export class Session {
  user: User | null = null;
  private access = "";
  private timer: ReturnType<typeof setTimeout> | undefined;
  private renewing: Promise<string> | null = null;
  private readonly storage: Storage;
  private readonly fetch: Fetch;
  private readonly changed: () => void;

  constructor(changed: () => void, storage: Storage = sessionStorage, fetcher: Fetch = (p, i) => fetch(p, i)) {
    this.changed = changed;
    this.storage = storage;
    this.fetch = fetcher;
  }

  get token(): string {
    return this.access;
  }

  /** Sign in again with what the last page of this tab left behind. */
  async resume(): Promise<boolean> {
    if (!this.storage.getItem(REFRESH_KEY)) return false;
    try {
      await this.renew();
    } catch {
      return false; // Refused: sign in. Unreachable: the sign-in page says so on its first attempt.
    }
    return true;
  }

  async signIn(user: string, password: string): Promise<void> {
    this.take(await this.post("/api/v1/auth/login", { user, password }));
  }

  async signOut(): Promise<void> {
    const headers = { Authorization: `Bearer ${this.access}`, "Content-Type": "application/json" };
    const body = JSON.stringify({ refresh_token: this.storage.getItem(REFRESH_KEY) });
    await this.fetch("/api/v1/auth/logout", { method: "POST", headers, body }).catch(() => undefined);
    this.forget();
  }

  /** A fresh access token; many callers at once cause one request, because a refresh token works only once. */
  renew(): Promise<string> {
    this.renewing ??= this.refresh().finally(() => (this.renewing = null));
    return this.renewing;
  }

  private async refresh(): Promise<string> {
    const refresh_token = this.storage.getItem(REFRESH_KEY);
    if (!refresh_token) throw new ApiError(401, { detail: "not signed in" });
    try {
      this.take(await this.post("/api/v1/auth/refresh", { refresh_token }));
    } catch (error) {
      if (error instanceof ApiError && error.status < 500 && error.status !== 429) this.forget();
      throw error;
    }
    return this.access;
  }

  private async post(path: string, body: unknown): Promise<Tokens> {
    const response = await this.fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw await failure(response);
    return (await response.json()) as Tokens;
  }

  private take(tokens: Tokens): void {
    this.access = tokens.access_token;
    this.storage.setItem(REFRESH_KEY, tokens.refresh_token);
    clearTimeout(this.timer);
    const wait = Math.max(5, tokens.expires_in - EARLY_S) * 1000;
    this.timer = setTimeout(() => void this.renew().catch(() => undefined), wait);
    const before = this.user?.id;
    this.user = tokens.user;
    if (before !== tokens.user.id) this.changed();
  }

  private forget(): void {
    clearTimeout(this.timer);
    this.access = "";
    this.storage.removeItem(REFRESH_KEY);
    if (!this.user) return;
    this.user = null;
    this.changed();
  }
}
