import { describe, expect, it } from "vitest";
import { said } from "./said.ts";

describe("said", () => {
  it("says in words what the browser says in its own language", () => {
    expect(said(new TypeError("Failed to fetch"))).toBe("The platform cannot be reached.");
    expect(said(new Error("there is no device x"))).toBe("there is no device x");
    expect(said("no")).toBe("no");
  });
});
