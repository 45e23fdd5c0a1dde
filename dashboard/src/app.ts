/** The one place where the parts of the page are put together; components import what they need from here. */
import { Api } from "./io/api.ts";
import { Live } from "./io/live.ts";
import { Session } from "./io/session.ts";
import type { DeviceType, Measurement } from "./io/types.ts";

const signedInOrOut = new Set<() => void>();

export const session = new Session(() => {
  types = null;
  for (const run of signedInOrOut) run();
});
export const api = new Api(session);
export const live = new Live(session);

export function onSession(run: () => void): () => void {
  signedInOrOut.add(run);
  return () => signedInOrOut.delete(run);
}

let types: Promise<DeviceType[]> | null = null;

/** The declared device types; asked once for each sign-in. */
export function deviceTypes(): Promise<DeviceType[]> {
  types ??= api.types().catch((error) => {
    types = null;
    throw error;
  });
  return types;
}

/** A device whose type is not declared is shown by what it reports. */
export function measurementsOf(type: DeviceType | undefined, latest: Record<string, unknown>): Measurement[] {
  const declared = type?.measurements ?? [];
  const known = new Set(declared.map((m) => m.key));
  const others = Object.keys(latest).filter((key) => !known.has(key));
  return [...declared, ...others.map((key) => undeclared(key))];
}

function undeclared(key: string): Measurement {
  return { key, title: key, unit: "", low: null, high: null, interval_s: null, widget: "number", decimals: 2, undeclared: true };
}

export const may = {
  operate: () => session.user?.role === "admin" || session.user?.role === "operator",
  administer: () => session.user?.role === "admin",
  /** Peers that are not registered belong to no organization: only who sees all of them sees those. */
  seeUnknown: () => session.user?.role === "admin" && session.user.all_organizations,
};

export function navigate(path: string, replace = false): void {
  history[replace ? "replaceState" : "pushState"](null, "", path);
  dispatchEvent(new PopStateEvent("popstate"));
}
