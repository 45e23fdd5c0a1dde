export type Route =
  | { page: "fleet" }
  | { page: "device"; id: string }
  | { page: "add" }
  | { page: "refused" }
  | { page: "letters" }
  | { page: "missing" };

export function route(path: string): Route {
  const parts = decoded(path);
  if (!parts) return { page: "missing" };
  const [first, second] = parts;
  if (first === undefined) return { page: "fleet" };
  if (first === "devices" && parts.length === 1) return { page: "fleet" };
  if (first === "devices" && second !== undefined && parts.length === 2) return { page: "device", id: second };
  if (first === "add" && parts.length === 1) return { page: "add" };
  if (first === "dead-letters" && parts.length === 1) return { page: "letters" };
  return first === "refused" && parts.length === 1 ? { page: "refused" } : { page: "missing" };
}

function decoded(path: string): string[] | null {
  try {
    return path.split("/").filter(Boolean).map(decodeURIComponent);
  } catch {
    return null; // not percent-encoded text
  }
}

export function devicePath(id: string): string {
  return `/devices/${encodeURIComponent(id)}`;
}
