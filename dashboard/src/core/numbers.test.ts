import { expect, test } from "vitest";
import { named, rangesText, summary } from "./numbers.ts";

test("every count is told", () => {
  expect(summary({ received: 1200, missing: 3, declared_lost: 40, repeated: 2, late: 0 })).toBe(
    "received 1,200, missing 3, declared lost 40, repeated 2, late 0",
  );
});

test("ranges are short", () => {
  expect(rangesText([[13, 14], [21, 21], [30, 41]])).toBe("13–14, 21, 30–41");
  expect(rangesText([])).toBe("");
  expect(named([[13, 14], [21, 21], [30, 41]])).toBe(15);
});
