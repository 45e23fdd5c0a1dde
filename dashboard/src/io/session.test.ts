import { beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, Session } from "./session.ts";

const user = { id: "ann", role: "operator", organization: "o", all_organizations: false };
let stored: Map<string, string>;
let answers: (() => Response | Promise<Response>)[];
let calls: { path: string; body: unknown }[];
let changes: number;

const tokens = (n: number) => () => Response.json({ access_token: `access-${n}`, expires_in: 900, refresh_token: `refresh-${n}`, user });
const problem = (status: number) => () => Response.json({ detail: "no" }, { status });

function session(): Session {
  const storage = { getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => void stored.set(k, v), removeItem: (k: string) => void stored.delete(k) };
  const fetcher = async (path: string, init?: RequestInit) => {
    calls.push({ path, body: JSON.parse(String(init?.body)) });
    return answers.shift()!();
  };
  return new Session(() => (changes += 1), storage, fetcher);
}

beforeEach(() => {
  vi.useFakeTimers();
  stored = new Map();
  answers = [];
  calls = [];
  changes = 0;
  return () => void vi.useRealTimers();
});

describe("Session", () => {
  it("signs in and keeps only the refresh token", async () => {
    const s = session();
    answers = [tokens(1)];
    await s.signIn("ann", "secret");
    expect(s.user).toEqual(user);
    expect(s.token).toBe("access-1");
    expect([...stored.values()]).toEqual(["refresh-1"]);
    expect(changes).toBe(1);
  });

  it("asks once for a new token however many callers need one", async () => {
    const s = session();
    answers = [tokens(1), tokens(2)];
    await s.signIn("ann", "secret");
    expect(await Promise.all([s.renew(), s.renew(), s.renew()])).toEqual(["access-2", "access-2", "access-2"]);
    expect(calls.map(({ path }) => path)).toEqual(["/api/v1/auth/login", "/api/v1/auth/refresh"]);
    expect(changes).toBe(1);
  });

  it("renews by itself before the token ends", async () => {
    const s = session();
    answers = [tokens(1), tokens(2)];
    await s.signIn("ann", "secret");
    await vi.advanceTimersByTimeAsync(841_000);
    expect(s.token).toBe("access-2");
  });

  it("signs out when the refresh token is refused", async () => {
    const s = session();
    answers = [tokens(1), problem(401)];
    await s.signIn("ann", "secret");
    await expect(s.renew()).rejects.toBeInstanceOf(ApiError);
    expect(s.user).toBeNull();
    expect(stored.size).toBe(0);
    expect(changes).toBe(2);
  });

  it("stays signed in when the platform is away", async () => {
    const s = session();
    answers = [tokens(1), problem(503), () => Promise.reject(new TypeError("unreachable"))];
    await s.signIn("ann", "secret");
    await expect(s.renew()).rejects.toBeInstanceOf(ApiError);
    await expect(s.renew()).rejects.toBeInstanceOf(TypeError);
    expect(s.user).toEqual(user);
    expect(stored.size).toBe(1);
  });

  it("resumes after a reload of the page", async () => {
    stored.set("iotsphere.refresh", "refresh-0");
    answers = [tokens(1)];
    const s = session();
    expect(await s.resume()).toBe(true);
    expect(calls[0]!.body).toEqual({ refresh_token: "refresh-0" });
  });

  it("has nothing to resume in a new tab", async () => {
    expect(await session().resume()).toBe(false);
    expect(calls).toEqual([]);
  });
});
