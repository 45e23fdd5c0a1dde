import { describe, expect, it } from "vitest";
import { Resource } from "./resource.ts";

/** A resource whose answers come when the test says so. */
function made(merge?: (known: number, answer: number) => number) {
  const asked: { answer: (n: number) => void; fail: (error: Error) => void }[] = [];
  const fetchIt = () => new Promise<number>((answer, fail) => asked.push({ answer, fail }));
  return { asked, resource: new Resource<number>(fetchIt, () => undefined, merge) };
}

describe("Resource", () => {
  it("keeps the answer of the last request, whichever comes first", async () => {
    const { asked, resource } = made();
    const loads = [resource.load(), resource.load()];
    asked[1]!.answer(2);
    asked[0]!.answer(1);
    await Promise.all(loads);
    expect(resource.data).toBe(2);
  });

  it("does not drop an answer because something was set meanwhile: merge decides", async () => {
    const { asked, resource } = made(Math.max);
    const first = resource.load();
    resource.set(2);
    asked[0]!.answer(3);
    await first;
    expect(resource.data).toBe(3);
    const second = resource.load();
    resource.set(5);
    asked[1]!.answer(4);
    await second;
    expect(resource.data).toBe(5);
  });

  it("tells of a failure only when there is nothing to show", async () => {
    const { asked, resource } = made();
    const first = resource.load();
    asked[0]!.fail(new Error("away"));
    await first;
    expect(resource.value).toEqual({ state: "failed", message: "away" });
    const second = resource.load();
    asked[1]!.answer(1);
    await second;
    const third = resource.load();
    asked[2]!.fail(new Error("away"));
    await third;
    expect(resource.data).toBe(1);
  });
});
