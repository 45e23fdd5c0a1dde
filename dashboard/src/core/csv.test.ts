import { describe, expect, it } from "vitest";
import { csv } from "./csv.ts";

describe("csv", () => {
  it("has a line for each time, names its units and says where the data comes from", () => {
    const text = csv({ ts: [0, 1000], columns: { a: [1.5, null], b: [0, 2] } }, { a: "a (°C)" }, "simulation");
    expect(text).toBe("time,a (°C),b,data_source\r\n1970-01-01T00:00:00.000Z,1.5,0,simulation\r\n1970-01-01T00:00:01.000Z,,2,simulation\r\n");
  });
});
