import { LitElement } from "lit";
import { Coalescer } from "../core/coalesce.ts";
import { live } from "../app.ts";

/**
 * A part of a page. It lives in the light DOM, so that labels, skip links and headings work across parts; what it subscribed
 * to while connected ends with it.
 */
export abstract class Part extends LitElement {
  private readonly offs: (() => void)[] = [];
  /** Redraws at most four times a second, however many events come in, and not at all while the page is hidden. */
  protected readonly redraw = new Coalescer(() => this.requestUpdate());

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const hidden = () => this.redraw.pause(document.hidden);
    document.addEventListener("visibilitychange", hidden);
    this.until(() => document.removeEventListener("visibilitychange", hidden));
    this.begin();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const off of this.offs.splice(0)) off();
    this.redraw.stop();
  }

  /** Subscribe here. */
  protected begin(): void {}

  protected until(...offs: (() => void)[]): void {
    this.offs.push(...offs);
  }

  protected every(ms: number, run: () => void): void {
    const timer = setInterval(() => document.hidden || run(), ms);
    this.until(() => clearInterval(timer));
  }

  /** Load now, and again whenever the live channel may have missed something. */
  protected loadAndResync(load: () => void): void {
    load();
    this.until(live.onResync(load));
  }
}
