import { describe, expect, it } from "vitest";
import type { Command, CommandEvent } from "../io/types.ts";
import { applyEvent, isFinal, mergeCommands, steps, story, tone } from "./command.ts";

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

  it("leaves a timeout for a late answer, and says so", () => {
    const late = applyEvent(command("queued", "sent", "timed_out"), event("succeeded"));
    expect([late.status, late.late]).toEqual(["succeeded", true]);
    expect(story(late, "")).toContain("after its time was over");
  });

  it("is parked by an event that changes no state", () => {
    const parked = applyEvent(command("queued", "sent"), event("sent", { parked: true }));
    expect([parked.status, parked.parked, parked.transitions.length]).toEqual(["sent", true, 2]);
    expect(story(parked, "")).toContain("later commands of this device go first");
  });

  it("says in words what became of it", () => {
    const said = (...statuses: string[]) => story(command(...statuses), "the door is open");
    expect(said("queued", "sent", "rejected")).toBe("The device refused it: the door is open");
    expect(said("queued", "sent", "failed")).toBe("The device tried and failed: the door is open");
    expect(story(command("queued", "rejected"), "")).toBe("The device refused it and gave no reason");
    expect(said("queued", "expired")).toContain("never sent");
    expect(said("queued", "sent", "timed_out")).toContain("not known");
    expect(said("queued", "cancelled")).toContain("before it was sent");
    expect(said("queued", "sent", "cancelled")).toContain("may have carried it out");
    expect(["succeeded", "failed", "timed_out", "cancelled", "sent"].map(tone)).toEqual(["ok", "crit", "warn", "off", "off"]);
  });

  it("is final when nothing more is expected", () => {
    expect(["queued", "delivered", "timed_out", "cancelled"].map(isFinal)).toEqual([false, false, true, true]);
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
