import { describe, expect, it } from "vitest";
import { Rooms } from "./rooms.ts";

describe("Rooms", () => {
  it("are joined with the first who wants them and left with the last", () => {
    const rooms = new Rooms();
    expect([rooms.acquire("a"), rooms.acquire("a"), rooms.release("a"), rooms.has("a")]).toEqual([true, false, false, true]);
    expect(rooms.wanted()).toEqual(["a"]);
    expect([rooms.release("a"), rooms.has("a"), rooms.release("a")]).toEqual([true, false, false]);
  });
});
