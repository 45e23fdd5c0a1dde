import { describe, expect, it } from "vitest";
import type { Command, CommandEvent } from "../io/types.ts";
import { applyEvent, isFinal, mergeCommands, MOST, steps, story, tone, withOlder } from "./command.ts";

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
  const page = (items: Command[], next_cursor: string | null = null) => ({ items, next_cursor });
  /** Commands by the second of their creation, newest first. */
  const some = (from: number, to: number) =>
    Array.from({ length: from - to + 1 }, (_, i) => at(`c${from - i}`, new Date((from - i) * 1000).toISOString(), "queued"));
  const ids = ({ items }: { items: Command[] }) => items.map(({ id }) => id);

  it("keeps whichever is further, since an answer may be older than the events", () => {
    const heard = at("a", "2026-01-01T00:00:00Z", "queued", "succeeded");
    expect(mergeCommands(page([heard]), page([at("a", heard.created_at, "queued", "sent")])).items).toEqual([heard]);
    const whole = at("a", heard.created_at, "queued", "sent", "delivered", "succeeded");
    expect(mergeCommands(page([heard]), page([whole])).items).toEqual([whole]);
    expect(mergeCommands(page([at("a", heard.created_at, "queued")]), page([whole])).items).toEqual([whole]);
  });

  it("keeps what the answer does not hold yet, newest first", () => {
    const [old, young] = [at("a", "2026-01-01T00:00:00Z", "queued"), at("b", "2026-01-02T00:00:00Z", "queued")];
    expect(mergeCommands(page([young]), page([old])).items).toEqual([young, old]);
  });

  it("keeps older pages and the way to what follows them", () => {
    const longer = withOlder(page(some(9, 5), "5"), page(some(4, 1), "1"));
    expect([ids(longer), longer.next_cursor]).toEqual([ids(page(some(9, 1))), "1"]);
    const renewed = mergeCommands(longer, page(some(11, 7), "7"));
    expect([ids(renewed), renewed.next_cursor]).toEqual([ids(page(some(11, 1))), "1"]);
  });

  it("leaves no hole between an answer and what was known before", () => {
    const renewed = mergeCommands(page([...some(30, 30), ...some(9, 1)], "1"), page(some(29, 25), "25"));
    expect([ids(renewed), renewed.next_cursor]).toEqual([ids(page(some(30, 25))), "25"]);
    expect(ids(mergeCommands(page(some(3, 1)), page(some(6, 5))))).toEqual(["c6", "c5", "c3", "c2", "c1"]);
  });

  it("keeps no more than so many", () => {
    const renewed = mergeCommands(page(some(MOST, 1), "1"), page(some(MOST + 3, MOST - 3), "7"));
    expect([ids(renewed), renewed.next_cursor]).toEqual([ids(page(some(MOST + 3, MOST - 3))), "7"]);
  });
});
