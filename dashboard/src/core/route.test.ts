import { describe, expect, it } from "vitest";
import { devicePath, route } from "./route.ts";

describe("route", () => {
  it("knows the pages", () => {
    expect([route("/").page, route("/devices").page, route("/add").page, route("/refused").page, route("/dead-letters").page, route("/nope").page, route("/add/more").page]).toEqual(["fleet", "fleet", "add", "refused", "letters", "missing", "missing"]);
  });

  it("carries any device id there and back", () => {
    expect(route(devicePath("a:b._-c"))).toEqual({ page: "device", id: "a:b._-c" });
  });

  it("takes a damaged address for a missing page", () => {
    expect(route("/devices/%E0%A4%A")).toEqual({ page: "missing" });
  });
});
