/** What a message says about an error, for people. `fetch` throws a TypeError when it reaches nobody. */
export function said(error: unknown): string {
  return error instanceof TypeError ? "The platform cannot be reached." : error instanceof Error ? error.message : String(error);
}
