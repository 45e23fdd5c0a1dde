import { describe, expect, it } from "vitest";
import { Resource } from "./resource.ts";

/** A resource whose answers come when the test says so. */
function made(merge?: (known: number, answer: number) => number) {
  const asked: { answer: (n: number) => void; fail: (error: Error) => void }[] = [];
  const fetchIt = () => new Promise<number>((answer, fail) => asked.push({ answer, fail }));
  return { asked, resource: new Resource<number>(fetchIt, () => undefined, merge) };
}

function boxed() {
  const asked: ((box: { n: number }) => void)[] = [];
  const fetchIt = () => new Promise<{ n: number }>((answer) => asked.push(answer));
  return { asked, resource: new Resource<{ n: number }>(fetchIt, () => undefined) };
}

describe("Resource", () => {
  it("knows when there is no such thing", async () => {
    const { asked, resource } = made();
    const load = resource.load();
    asked[0]!.fail(Object.assign(new Error("there is no device nope"), { status: 404 }));
    await load;
    expect(resource.value).toEqual({ state: "failed", message: "there is no device nope", missing: true });
  });

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

  it("applies what happened during a request to its answer, the first one too", async () => {
    const { asked, resource } = boxed();
    const first = resource.load();
    resource.tell((box) => (box.n = Math.max(box.n, 7)));
    asked[0]!({ n: 1 });
    await first;
    expect(resource.data).toEqual({ n: 7 });
    const second = resource.load();
    asked[1]!({ n: 2 });
    await second;
    expect(resource.data).toEqual({ n: 2 }); // what was told before the request is in its answer
  });

  it("asks again when more happened during a request than it holds", async () => {
    const { asked, resource } = boxed();
    const first = resource.load();
    for (let i = 0; i < 3000; i++) resource.tell((box) => (box.n += 1));
    asked[0]!({ n: 0 });
    await first;
    expect(asked).toHaveLength(2);
  });

  it("adds a page to what is kept, unless something newer was asked for meanwhile", async () => {
    const { asked, resource } = made();
    resource.set(1);
    await resource.extend(async (known) => known + 10);
    expect(resource.data).toBe(11);
    let answer: (n: number) => void = () => undefined;
    const page = resource.extend((known) => new Promise<number>((resolve) => (answer = (n) => resolve(known + n))));
    const filtered = resource.load();
    asked[0]!.answer(5);
    await filtered;
    answer(100);
    await page;
    expect(resource.data).toBe(5);
    await expect(resource.extend(() => Promise.reject(new Error("away")))).rejects.toThrow("away");
    expect(resource.data).toBe(5);
  });

  it("says in words that nobody was reached", async () => {
    const { asked, resource } = made();
    const first = resource.load();
    asked[0]!.fail(new TypeError("Failed to fetch"));
    await first;
    expect(resource.value).toEqual({ state: "failed", message: "The platform cannot be reached.", missing: false });
  });

  it("tells of a failure only when there is nothing to show", async () => {
    const { asked, resource } = made();
    const first = resource.load();
    asked[0]!.fail(new Error("away"));
    await first;
    expect(resource.value).toEqual({ state: "failed", message: "away", missing: false });
    const second = resource.load();
    asked[1]!.answer(1);
    await second;
    const third = resource.load();
    asked[2]!.fail(new Error("away"));
    await third;
    expect(resource.data).toBe(1);
  });
});
