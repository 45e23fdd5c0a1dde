import type { DeviceEvent } from "../io/types.ts";

/** The mark of a severity: its shape and colour, and the word that goes with it. */
export const SEVERITIES: Record<DeviceEvent["severity"], { tone: "off" | "warn" | "crit"; word: string }> = {
  info: { tone: "off", word: "Info" },
  warning: { tone: "warn", word: "Warning" },
  error: { tone: "crit", word: "Error" },
  critical: { tone: "crit", word: "Critical" },
};
