import { describe, expect, it } from "vitest";
import { choice, filterPath, outcome, readFilter, why } from "./letters.ts";

const ALL = { device: "", category: "", reason: "" };

describe("the filter of dead letters", () => {
  it("is in the address, there and back", () => {
    const filter = { device: "pump:1", category: "clock", reason: "2 h & more" };
    expect(readFilter(new URL(filterPath(filter), "http://x").search)).toEqual(filter);
    expect(filterPath(ALL)).toBe("/dead-letters");
  });

  it("means what is chosen, else what it lets through, else all", () => {
    expect(choice(new Set([2, 1]), { ...ALL, device: "d" })).toEqual({ ids: [2, 1] });
    expect(choice(new Set(), { ...ALL, device: "d" })).toEqual({ device: "d" });
    expect(choice(new Set(), ALL)).toEqual({ all: true });
  });
});

describe("a replay", () => {
  it("is told in words", () => {
    const none = { id: "r", asked: 0, came_through: 0, failed: 0, waiting: 0, dropped: 0, done: true };
    expect(outcome({ ...none, asked: 1, came_through: 1 })).toBe("1 of 1 message came through.");
    expect(outcome({ ...none, asked: 9, came_through: 5, failed: 1, waiting: 2, dropped: 1 })).toBe(
      "5 of 9 messages came through; 1 failed again and stays with its reason; 1 had been dropped; 2 still wait.",
    );
  });

  it("names the value that is meant", () => {
    expect(why({ measurement: "flow", reason: "a text is no number" })).toBe("flow: a text is no number");
    expect(why({ measurement: "flow", reason: "flow is 1 already" })).toBe("flow is 1 already");
    expect(why({ measurement: null, reason: "no JSON" })).toBe("no JSON");
  });
});
