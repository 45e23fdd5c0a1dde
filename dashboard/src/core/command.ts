import type { Command, CommandEvent, CommandPage, Transition } from "../io/types.ts";

const PATH = ["queued", "sent", "delivered", "in_progress"];

export function isFinal(status: string): boolean {
  return !PATH.includes(status);
}

type Tone = "ok" | "warn" | "crit" | "off";

const TONES: Record<string, Tone> = { succeeded: "ok", failed: "crit", rejected: "crit", timed_out: "warn", expired: "warn" };

/** How a state is marked. What is not known, or did not come to be, is no failure of the device. */
export function tone(status: string): Tone {
  return TONES[status] ?? "off";
}

/** What has become of a command, in words; what the states do not say by themselves. */
export function story(command: Command, reason: string): string {
  const sent = (command.attempts ?? 0) > 0 || command.transitions.some(({ status }) => status === "sent" || status === "delivered");
  switch (command.status) {
    case "rejected":
      return `The device refused it${reason ? `: ${reason}` : " and gave no reason"}`;
    case "failed":
      return `The device tried and failed${reason ? `: ${reason}` : " and gave no reason"}`;
    case "expired":
      return "Its time was over before the device was there; it was never sent";
    case "timed_out":
      return "Sent, and not answered in time: what became of it is not known. An answer may still come";
    case "cancelled":
      return sent ? "Taken back after it was sent: the device may have carried it out" : "Taken back before it was sent";
    case "succeeded":
      return command.late ? "Answered after its time was over" : "";
  }
  return command.parked ? "No answer so far: later commands of this device go first" : "";
}

export interface Step {
  status: string;
  at: string | number | null;
  state: "done" | "current" | "ahead";
}

/** The life of a command as a line of steps: what happened with its time, then what is still expected. */
export function steps(command: Command): Step[] {
  const happened: Step[] = command.transitions.map(({ status, at }) => ({ status, at, state: "done" }));
  const last = happened.at(-1);
  if (last && !isFinal(last.status)) last.state = "current";
  if (!last || isFinal(last.status)) return happened;
  const ahead = PATH.slice(PATH.indexOf(last.status) + 1).filter((status) => status !== "in_progress");
  return [...happened, ...[...ahead, "result"].map((status): Step => ({ status, at: null, state: "ahead" }))];
}

/** Commands that are kept; policy when there are more: only the newest page is. */
export const MOST = 500;

/**
 * What is known and a newer answer to the question for the newest ones. Of a command that both know, whichever is further: an
 * answer may be older than what was heard meanwhile. Older pages stay where the answer reaches them; else commands that nobody
 * has seen may lie between, and only what is newer than the answer stays.
 */
export function mergeCommands(known: CommandPage, answer: CommandPage): CommandPage {
  const ids = new Set(answer.items.map(({ id }) => id));
  const reached = !answer.next_cursor || known.items.some(({ id }) => ids.has(id));
  const oldest = answer.items.at(-1);
  const older = (command: Command) => oldest !== undefined && !ids.has(command.id) && newestFirst(oldest, command) < 0;
  const kept = reached && known.items.length + answer.items.length <= MOST ? known.items : known.items.filter((command) => !older(command));
  return { items: joined(kept, answer.items), next_cursor: kept.some(older) ? known.next_cursor : answer.next_cursor };
}

/** What is known and the page that follows it. */
export function withOlder(known: CommandPage, page: CommandPage): CommandPage {
  return { items: joined(known.items, page.items), next_cursor: page.next_cursor };
}

function joined(known: readonly Command[], answer: readonly Command[]): Command[] {
  const all = new Map(answer.map((command) => [command.id, command]));
  for (const command of known) {
    const other = all.get(command.id);
    if (!other || further(command, other)) all.set(command.id, command);
  }
  return [...all.values()].sort(newestFirst);
}

function newestFirst(a: Command, b: Command): number {
  return Date.parse(b.created_at) - Date.parse(a.created_at);
}

function further(command: Command, than: Command): boolean {
  const [ended, other] = [isFinal(command.status), isFinal(than.status)];
  return ended === other ? command.transitions.length > than.transitions.length : ended;
}

/** Apply a live event. An older event than what is known changes nothing. */
export function applyEvent(command: Command, event: CommandEvent): Command {
  if (event.parked && event.status === command.status) return { ...command, parked: true };
  const ended = isFinal(command.status) && command.status !== "timed_out"; // which a late answer may leave
  if (ended || command.transitions.some((t) => t.status === event.status)) return command;
  const transition: Transition = { status: event.status, at: event.at, actor: null, reason: event.reason };
  return {
    ...command,
    status: event.status,
    late: command.status === "timed_out" || command.late === true,
    changed_at: event.at,
    reason: event.reason ?? command.reason,
    result: event.result ?? command.result,
    transitions: [...command.transitions, transition],
  };
}
