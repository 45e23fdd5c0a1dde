import { html, nothing } from "lit";
import { api, may, navigate } from "../app.ts";
import { bytes, plural } from "../core/format.ts";
import { CATEGORIES, choice, filterPath, outcome, readFilter, why, type LetterFilter } from "../core/letters.ts";
import { Resource } from "../core/resource.ts";
import { devicePath, route } from "../core/route.ts";
import { said } from "../core/said.ts";
import type { Letter, LetterDetail, LetterPage } from "../io/types.ts";
import { Part } from "../ui/base.ts";
import { confirmed, loaded, panel, time, type Html } from "../ui/bits.ts";

const PAGE = 50;
/** Seconds that the answer to a replay is waited for. */
const WAIT_S = 20;

/** What could not be stored, and why; after a mend it can be sent on its way again. The filter is in the address. */
export class DeadLetters extends Part {
  private filter: LetterFilter = readFilter(location.search);
  private readonly chosen = new Set<number>();
  private readonly opened = new Map<number, LetterDetail>();
  private busy = false;
  private problem = "";
  private done = "";
  private readonly list = new Resource<LetterPage>(() => this.fetchPage(), () => this.requestUpdate());

  protected override begin(): void {
    const moved = () => this.moved();
    addEventListener("popstate", moved);
    this.until(() => removeEventListener("popstate", moved));
    this.loadAndResync(() => void this.list.load());
  }

  private fetchPage(cursor?: string): Promise<LetterPage> {
    return api.deadLetters({ ...this.filter, limit: PAGE, ...(cursor ? { cursor } : {}) });
  }

  private moved(): void {
    if (route(location.pathname).page !== "letters") return; // about to be left
    this.filter = readFilter(location.search);
    this.forget();
    this.list.restart();
  }

  private forget(): void {
    this.chosen.clear();
    this.opened.clear();
    this.problem = "";
    this.done = "";
  }

  private narrow(change: Partial<LetterFilter>): void {
    navigate(filterPath({ ...this.filter, ...change }), true);
  }

  override render() {
    return html`<div class="page-head"><h1 class="grow">Dead letters</h1></div>
      <p class="muted">What devices sent and could not be stored, with the reason. Nothing is thrown away in silence; after a mend, replay it.</p>
      ${this.filters()}
      <p role="status" class="notice" ?hidden=${!this.done}>${this.done}</p>
      ${this.problem ? html`<p class="notice crit" role="alert">${this.problem}</p>` : nothing}
      ${panel({
        id: "dead-letters",
        title: "Not stored",
        actions: this.actions(),
        body: loaded({
          value: this.list.value,
          retry: this.list.load,
          empty: ({ items }) => !items.length,
          emptyText: html`<p>${this.filtered ? "No dead letter matches." : "There are no dead letters: everything that arrived is stored."}</p>`,
          show: (page) => this.table(page),
        }),
      })}
      ${this.lost()}`;
  }

  private get filtered(): boolean {
    return Object.values(this.filter).some(Boolean);
  }

  private filters(): Html {
    const { device, category, reason } = this.filter;
    const value = (e: Event) => (e.target as HTMLInputElement).value;
    return html`<search class="filters">
      <input type="search" aria-label="Reason" placeholder="Search in the reason" .value=${reason} @change=${(e: Event) => this.narrow({ reason: value(e) })} />
      <input type="search" aria-label="Device" placeholder="Device id" .value=${device} @change=${(e: Event) => this.narrow({ device: value(e) })} />
      <select aria-label="Kind" @change=${(e: Event) => this.narrow({ category: value(e) })}>
        <option value="" ?selected=${!category}>All kinds</option>
        ${Object.entries(CATEGORIES).map(([key, title]) => html`<option value=${key} ?selected=${key === category}>${title}</option>`)}
      </select>
    </search>`;
  }

  private actions(): Html {
    if (!this.list.data?.items.length) return nothing;
    const which = this.chosen.size ? this.chosen.size.toLocaleString("en-GB") : this.filtered ? "all that match" : "all";
    return html`${may.operate() ? html`<button class="primary" data-testid="replay" ?disabled=${this.busy} @click=${() => void this.replay(which)}>Replay ${which}…</button>` : nothing}
    ${may.administer() ? html`<button class="danger" data-testid="drop" ?disabled=${this.busy} @click=${() => void this.drop(which)}>Drop ${which}…</button>` : nothing}`;
  }

  private async replay(which: string): Promise<void> {
    const text = "Each message goes its way again, as of the time at which it came. What still cannot be stored stays here with its new reason.";
    if (!(await confirmed(`Replay ${which}?`, text, "Replay"))) return;
    await this.act(async () => outcome(await api.replayLetters(choice(this.chosen, this.filter), WAIT_S)));
  }

  private async drop(which: string): Promise<void> {
    if (!(await confirmed(`Drop ${which}?`, "They are deleted for good, with what the devices sent.", "Drop"))) return;
    await this.act(async () => `${plural((await api.dropLetters(choice(this.chosen, this.filter))).dropped, "dead letter")} dropped.`);
  }

  private async act(change: () => Promise<string>): Promise<void> {
    this.busy = true;
    this.problem = "";
    this.done = "";
    this.requestUpdate();
    try {
      this.done = await change();
      this.chosen.clear();
      this.opened.clear();
    } catch (error) {
      this.problem = said(error);
    }
    this.busy = false;
    await this.list.load();
    this.requestUpdate();
  }

  private table({ items, next_cursor }: LetterPage): Html {
    const all = items.every(({ id }) => this.chosen.has(id));
    return html`<table class="cardy" data-testid="letters">
        <thead><tr>
          <th scope="col"><input type="checkbox" aria-label="Choose all shown" .checked=${all} @change=${() => this.chooseAll(items, !all)} /></th>
          <th scope="col">Time</th><th scope="col">Device</th><th scope="col">Kind</th><th scope="col">Reason</th><th scope="col"><span class="visually-hidden">Payload</span></th>
        </tr></thead>
        <tbody>${items.map((letter) => this.row(letter))}</tbody>
      </table>
      ${next_cursor ? html`<div class="state"><button @click=${() => void this.more()}>Show more</button></div>` : nothing}`;
  }

  private row(letter: Letter): Html {
    const { id, device, at, category, replays, waiting } = letter;
    const open = this.opened.get(id);
    return html`<tr>
        <td data-label=""><input type="checkbox" aria-label="Choose letter ${id}" .checked=${this.chosen.has(id)} @change=${() => this.choose(id)} /></td>
        <td data-label="Time">${time(at)}</td>
        <td data-label="Device" class="mono"><a href=${devicePath(device)}>${device}</a></td>
        <td data-label="Kind">${CATEGORIES[category] ?? category}</td>
        <td data-label="Reason"><span>${why(letter)}
          ${waiting ? html`<span class="muted small">A replay is under way.</span>` : replays ? html`<span class="muted small">Replayed in vain ${plural(replays, "time")}.</span>` : nothing}</span></td>
        <td data-label="" class="right"><button aria-expanded=${open ? "true" : "false"} aria-label="Payload of letter ${id}" @click=${() => void this.toggle(id)}>${open ? "Hide" : "Show"}</button></td>
      </tr>
      ${open ? html`<tr><td colspan="6">${payload(open)}</td></tr>` : nothing}`;
  }

  private choose(id: number): void {
    if (!this.chosen.delete(id)) this.chosen.add(id);
    this.requestUpdate();
  }

  private chooseAll(items: Letter[], on: boolean): void {
    for (const { id } of items) this.chosen[on ? "add" : "delete"](id);
    this.requestUpdate();
  }

  private async toggle(id: number): Promise<void> {
    this.problem = "";
    try {
      if (!this.opened.delete(id)) this.opened.set(id, await api.deadLetter(id));
    } catch (error) {
      this.problem = said(error);
    }
    this.requestUpdate();
  }

  private async more(): Promise<void> {
    this.problem = "";
    try {
      await this.list.extend(async ({ items, next_cursor }) => {
        const page = await this.fetchPage(next_cursor ?? undefined);
        return { ...page, items: [...items, ...page.items] };
      });
    } catch (error) {
      this.problem = said(error);
      this.requestUpdate();
    }
  }

  private lost(): Html {
    const lost = this.list.data?.lost;
    if (!lost?.letters) return nothing;
    return html`<p class="hint">${plural(lost.letters, "older dead letter")} went because of their age or for want of room, the last of them from ${time(lost.newest)}.</p>`;
  }
}

function payload({ topic, received_at, size, cut, payload: { format, text } }: LetterDetail): Html {
  return html`<div class="stack">
    <p class="small muted"><span class="mono">${topic}</span> · came ${time(received_at)} · ${bytes(size)} ${format}${cut ? ", of which only the beginning is kept: it cannot be replayed" : nothing}</p>
    <pre class="payload" tabindex="0" aria-label="Payload">${text}</pre>
  </div>`;
}

customElements.define("iot-dead-letters", DeadLetters);
