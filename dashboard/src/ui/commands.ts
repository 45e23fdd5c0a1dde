import { html, nothing } from "lit";
import { api, live, may } from "../app.ts";
import { applyEvent, isFinal, mergeCommands, steps, story, tone, withOlder, type Step } from "../core/command.ts";
import { members, plain, withUnit, words } from "../core/format.ts";
import { initial, parse } from "../core/property.ts";
import { fieldErrors } from "../io/session.ts";
import type { Command, CommandEvent, CommandPage, CommandSpec, Property } from "../io/types.ts";
import { Resource } from "../core/resource.ts";
import { said } from "../core/said.ts";
import { confirmed, loaded, mark, panel, reasonText, time, type Html } from "./bits.ts";
import { field } from "./field.ts";
import { DevicePanel } from "./panel-part.ts";

const FIRST = 4;

/** Tell the device to do something, and follow what becomes of it. */
export class Commands extends DevicePanel {
  static override properties = { ...DevicePanel.properties, specs: { attribute: false }, refusing: { attribute: false } };
  declare specs: CommandSpec[];
  declare refusing: boolean;
  private readonly list = new Resource<CommandPage>(() => api.commands(this.deviceId), () => this.requestUpdate(), mergeCommands);
  private chosen: CommandSpec | null = null;
  private params: Record<string, string | boolean> = {};
  private errors: Record<string, string> = {};
  private problem = "";
  /** Why a command could not be cancelled, by its id. */
  private readonly cancelProblems = new Map<string, string>();
  private busy = false;
  private all = false;
  private olderProblem = "";

  protected override begin(): void {
    this.until(
      live.on("command", (event) => event.device === this.deviceId && this.heard(event)),
      live.onResync(() => void this.list.load()),
    );
  }

  protected override reset(): void {
    this.choose(null);
    this.cancelProblems.clear();
    this.all = false;
    this.olderProblem = "";
    this.list.restart();
  }

  private heard(event: CommandEvent): void {
    const known = this.list.data?.items.find((command) => command.id === event.id);
    if (known) this.keep(applyEvent(known, event));
    // Not known yet, or at its end: the whole life, since events may have passed before it was known.
    if (!known || isFinal(event.status)) void this.list.load();
  }

  private keep(command: Command): void {
    const { items, next_cursor } = this.list.data ?? { items: [], next_cursor: null };
    const known = items.some((c) => c.id === command.id);
    this.list.set({ items: known ? items.map((c) => (c.id === command.id ? command : c)) : [command, ...items], next_cursor });
  }

  private choose(spec: CommandSpec | null): void {
    this.chosen = spec;
    this.errors = {};
    this.problem = "";
    this.params = Object.fromEntries((spec?.params ?? []).map((param) => [param.key, initial(param)]));
    this.requestUpdate();
  }

  override render() {
    return panel({
      id: "commands",
      title: "Commands",
      body: html`${may.operate() && this.specs.length ? this.form() : nothing}
      ${loaded({
        value: this.list.value,
        retry: this.list.load,
        empty: ({ items }) => items.length === 0,
        emptyText: "No command was sent yet.",
        show: (commands) => this.history(commands),
      })}`,
    });
  }

  private form(): Html {
    const spec = this.chosen;
    return html`<div class="toggles" role="group" aria-label="Command">
        ${this.specs.map(
          (s) => html`<button aria-pressed=${s === spec} data-testid="command-${s.name}" @click=${() => this.choose(s === spec ? null : s)}>${s.title}</button>`,
        )}
      </div>
      ${spec
        ? html`<form class="form" novalidate aria-label=${spec.title} @submit=${this.run}>
            ${spec.params.map((param) => this.input(param))}
            ${this.problem ? html`<p class="notice crit" role="alert">${this.problem}</p>` : nothing}
            <div class="row">
              <button class="primary" data-testid="command-run" ?disabled=${this.busy || this.refusing || live.state === "lost"}>${spec.title}</button>
              <span class="muted small">${this.refusing ? "The device takes no commands." : `answers within ${spec.timeout_s} s`}</span>
            </div>
          </form>`
        : nothing}`;
  }

  private input(param: Property): Html {
    return field({
      id: `param-${param.key}`,
      property: param,
      value: this.params[param.key] ?? "",
      error: this.errors[param.key],
      disabled: this.busy,
      changed: (typed) => {
        this.params[param.key] = typed;
        delete this.errors[param.key];
        this.requestUpdate();
      },
    });
  }

  private readonly run = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const spec = this.chosen!;
    const params = this.parsed(spec);
    this.problem = "";
    this.requestUpdate();
    if (!params) return;
    if (spec.risky && !(await confirmed(`${spec.title}?`, `This is sent to ${this.deviceId} at once.`, spec.title))) return;
    this.busy = true;
    this.requestUpdate();
    try {
      this.started(await api.run(this.deviceId, spec.name, params));
    } catch (error) {
      this.refuse(error);
    }
    this.busy = false;
    this.requestUpdate();
  };

  /** The answer may be older than what the live channel already told. */
  private started(command: Command): void {
    const known = this.list.data?.items.some((c) => c.id === command.id);
    if (!known) this.keep({ ...command, transitions: command.transitions ?? [] });
  }

  private parsed(spec: CommandSpec): Record<string, unknown> | null {
    const params: Record<string, unknown> = {};
    this.errors = {};
    for (const param of spec.params) {
      const result = parse(param, this.params[param.key] ?? "");
      if (result.ok) params[param.key] = result.value;
      else this.errors[param.key] = `${param.title} ${result.reason}`;
    }
    return Object.keys(this.errors).length ? null : params;
  }

  private refuse(error: unknown): void {
    const reasons = fieldErrors(error).map(({ field: name, reason }) => ({ key: name.replace(/^params\./, ""), reason }));
    for (const { key, reason } of reasons) if (key in this.params) this.errors[key] = reason;
    if (!reasons.length || reasons.some(({ key }) => !(key in this.params))) this.problem = said(error);
  }

  private history({ items, next_cursor }: CommandPage): Html {
    const shown = this.all ? items : items.slice(0, FIRST);
    const toggle = this.all ? "Show fewer" : `Show ${next_cursor ? "more" : `all ${items.length}`}`;
    return html`<div data-testid="command-list">${shown.map((command) => this.one(command))}</div>
      ${this.olderProblem ? html`<p class="notice crit" role="alert">${this.olderProblem}</p>` : nothing}
      ${this.all && next_cursor ? html`<button class="plain" data-testid="commands-older" @click=${() => void this.older()}>Show older</button>` : nothing}
      ${items.length > FIRST ? html`<button class="plain" @click=${() => ((this.all = !this.all), this.requestUpdate())}>${toggle}</button>` : nothing}`;
  }

  private async older(): Promise<void> {
    this.olderProblem = "";
    try {
      await this.list.extend(async (known) => {
        const page = await api.commands(this.deviceId, known.next_cursor ?? undefined);
        return withOlder(this.list.data ?? known, page); // with what was heard meanwhile
      });
    } catch (error) {
      this.olderProblem = said(error);
      this.requestUpdate();
    }
  }

  private one(command: Command): Html {
    const spec = this.specs.find(({ name }) => name === command.name);
    const params = Object.entries(command.params ?? {}).map(([key, value]) => paramText(spec, key, value));
    const note = [story(command, reasonText(command.reason)), members(command.result)].filter(Boolean).join(" · ");
    const problem = isFinal(command.status) ? undefined : this.cancelProblems.get(command.id);
    return html`<article class="command" data-testid="command" data-status=${command.status}>
      <div class="row">
        <h3 class="grow">${spec?.title ?? words(command.name)} <span class="muted small">${params.join(", ")}</span></h3>
        ${command.parked && !isFinal(command.status) ? mark("warn", "parked") : nothing}${mark(tone(command.status), words(command.status))}
      </div>
      <ol class="steps">${steps(command).map((step) => this.step(step))}</ol>
      <p class="small muted">${note}${note && command.actor ? " · " : ""}${command.actor ? `by ${command.actor}` : ""}</p>
      ${!isFinal(command.status) && may.operate() ? html`<button @click=${() => void this.cancel(command)}>Cancel</button>` : nothing}
      ${problem ? html`<p class="notice crit" role="alert" data-testid="command-problem">${problem}</p>` : nothing}
    </article>`;
  }

  private step({ status, at, state }: Step): Html {
    const end = state === "done" ? (ENDS[tone(status)] ?? "") : "";
    return html`<li class="${state} ${end}">${words(status)}${at == null ? nothing : time(at)}</li>`;
  }

  private async cancel(command: Command): Promise<void> {
    this.cancelProblems.delete(command.id);
    this.requestUpdate();
    try {
      await api.cancel(command.id);
    } catch (error) {
      this.cancelProblems.set(command.id, said(error));
    }
    void this.list.load();
  }
}

const ENDS: Record<string, string> = { ok: "good", crit: "bad" };

function paramText(spec: CommandSpec | undefined, key: string, value: unknown): string {
  const param = spec?.params.find((p) => p.key === key);
  return `${param?.title ?? words(key)}: ${withUnit(plain(value), param?.unit ?? "")}`;
}

customElements.define("iot-commands", Commands);
