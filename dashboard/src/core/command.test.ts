import { describe, expect, it } from "vitest";
import type { Command, CommandEvent } from "../io/types.ts";
import { applyEvent, isFinal, mergeCommands, outcome, steps } from "./command.ts";

const command = (...statuses: string[]): Command => ({
  id: "c", device: "d", name: "n", params: {}, status: statuses.at(-1)!, actor: "admin", created_at: "", expires_at: null, changed_at: null,
  reason: null, result: null, simulated: false, transitions: statuses.map((status, at) => ({ status, at })),
});
const event = (status: string, more: Partial<CommandEvent> = {}): CommandEvent => ({ id: "c", device: "d", name: "n", status, at: 99, simulated: false, ...more });

describe("the life of a command", () => {
  it("shows what happened and what is still expected", () => {
    expect(steps(command("queued", "sent")).map(({ status, state }) => [status, state])).toEqual([
      ["queued", "done"], ["sent", "current"], ["delivered", "ahead"], ["result", "ahead"],
    ]);
  });

  it("expects nothing after its end", () => {
    expect(steps(command("queued", "expired")).map(({ state }) => state)).toEqual(["done", "done"]);
  });

  it("moves on with a live event", () => {
    const moved = applyEvent(command("queued", "sent"), event("succeeded", { result: { a: 1 } }));
    expect(moved.status).toBe("succeeded");
    expect(moved.result).toEqual({ a: 1 });
    expect(moved.transitions.at(-1)).toMatchObject({ status: "succeeded", at: 99 });
  });

  it("never leaves its end, and takes no event twice", () => {
    const ended = command("queued", "failed");
    expect(applyEvent(ended, event("sent"))).toBe(ended);
    const sent = command("queued", "sent");
    expect(applyEvent(sent, event("sent"))).toBe(sent);
  });

  it("knows good from bad ends", () => {
    expect(["queued", "in_progress", "succeeded", "failed", "rejected", "expired", "cancelled"].map(outcome)).toEqual(["open", "open", "good", "bad", "bad", "bad", "bad"]);
    expect(isFinal("delivered")).toBe(false);
  });
});

describe("mergeCommands", () => {
  const at = (id: string, created_at: string, ...statuses: string[]) => ({ ...command(...statuses), id, created_at });

  it("keeps whichever is further, since an answer may be older than the events", () => {
    const heard = at("a", "2026-01-01T00:00:00Z", "queued", "succeeded");
    expect(mergeCommands([heard], [at("a", heard.created_at, "queued", "sent")])).toEqual([heard]);
    const whole = at("a", heard.created_at, "queued", "sent", "delivered", "succeeded");
    expect(mergeCommands([heard], [whole])).toEqual([whole]);
    expect(mergeCommands([at("a", heard.created_at, "queued")], [whole])).toEqual([whole]);
  });

  it("keeps what the answer does not hold yet, newest first, and no more than asked for", () => {
    const [old, young] = [at("a", "2026-01-01T00:00:00Z", "queued"), at("b", "2026-01-02T00:00:00Z", "queued")];
    expect(mergeCommands([young], [old])).toEqual([young, old]);
    expect(mergeCommands([young], [old], 1)).toEqual([young]);
  });
});
