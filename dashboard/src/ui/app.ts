import { html, nothing, svg } from "lit";
import { live, may, navigate, onSession, session } from "../app.ts";
import { ago } from "../core/stale.ts";
import { route, type Route } from "../core/route.ts";
import "../pages/fleet.ts";
import "../pages/sign-in.ts";
import { Part } from "./base.ts";
import { mark, type Html } from "./bits.ts";
import { shortcuts } from "./shortcuts.ts";
import { nextTheme, theme } from "./theme.ts";

const ICONS = {
  auto: svg`<circle cx="12" cy="12" r="8"/><path d="M12 4v16a8 8 0 0 0 0-16" fill="currentColor"/>`,
  light: svg`<circle cx="12" cy="12" r="4"/><path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M18.4 5.6 17 7M7 17l-1.4 1.4"/>`,
  dark: svg`<path d="M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5Z"/>`,
  out: svg`<path d="M10 4H5v16h5M14 8l4 4-4 4M18 12H9"/>`,
};

const TITLES: Record<Route["page"], string> = { fleet: "Fleet", device: "Device", add: "Add device", refused: "Refused devices", letters: "Dead letters", missing: "Not found" };

/** The frame of every page: navigation, the state of the live channel, the notice about simulated data. */
export class App extends Part {
  private ready = false;
  private current: Route = route(location.pathname);
  private simulated = "";
  /** A page whose code could not be loaded. */
  private broken = "";

  protected override begin(): void {
    const moved = () => this.go();
    const clicked = (event: MouseEvent) => this.follow(event);
    const simulated = (event: Event) => this.showSimulated((event as CustomEvent<string>).detail);
    addEventListener("popstate", moved);
    document.addEventListener("click", clicked);
    this.addEventListener("iot-simulated", simulated);
    this.until(
      onSession(() => this.signedInOrOut()),
      live.onState(() => this.requestUpdate()),
      () => removeEventListener("popstate", moved),
      () => document.removeEventListener("click", clicked),
      () => this.removeEventListener("iot-simulated", simulated),
      shortcuts(),
    );
    this.every(1000, () => live.lostSince && this.requestUpdate());
    void this.resume();
  }

  private async resume(): Promise<void> {
    await session.resume();
    this.ready = true;
    this.go();
  }

  private signedInOrOut(): void {
    if (session.user) live.start();
    else live.stop();
    this.simulated = "";
    this.requestUpdate();
  }

  private showSimulated(text: string): void {
    if (text === this.simulated) return;
    this.simulated = text;
    this.requestUpdate();
  }

  private go(): void {
    const next = route(location.pathname);
    const moved = JSON.stringify(next) !== JSON.stringify(this.current);
    this.current = next;
    document.title = `${next.page === "device" ? next.id : TITLES[next.page]} · IoTSphere`;
    if (moved) this.simulated = "";
    void this.load(next).then(async () => {
      this.requestUpdate();
      await this.updateComplete;
      if (moved) this.focusPage();
    });
  }

  private async load({ page }: Route): Promise<void> {
    this.broken = "";
    try {
      if (page === "device") await import("../pages/device.ts");
      if (page === "add") await import("../pages/add-device.ts");
      if (page === "refused") await import("../pages/refused.ts");
      if (page === "letters") await import("../pages/dead-letters.ts");
    } catch {
      this.broken = "This page could not be loaded. Reload when the platform can be reached again.";
    }
  }

  private focusPage(): void {
    scrollTo(0, 0);
    this.querySelector<HTMLElement>("main")?.focus({ preventScroll: true });
  }

  /** Links within the dashboard change the page without loading it anew. */
  private follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
    if (!link || link.origin !== location.origin || link.target || link.hasAttribute("download") || link.getAttribute("href")?.startsWith("#")) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  }

  override render() {
    if (!this.ready) return html`<main class="door" aria-busy="true"><div class="state loading"><span>Loading…</span></div></main>`;
    if (!session.user) return html`<iot-sign-in></iot-sign-in>`;
    return html`
      <a class="skip" href="#main">Skip to the content</a>
      <header class="top"><div class="top-in">${this.navigation()}${this.tools()}</div></header>
      ${live.state === "lost" ? this.lost() : nothing}
      ${this.simulated ? html`<aside class="simbar" aria-label="Simulated data" data-testid="simulated-bar">${this.simulated}</aside>` : nothing}
      <main id="main" tabindex="-1" class=${live.state === "lost" ? "is-lost" : ""}>${this.page()}</main>
    `;
  }

  private navigation(): Html {
    const { page } = this.current;
    const link = (path: string, to: Route["page"]) => html`<a href=${path} aria-current=${page === to ? "page" : nothing}>${TITLES[to]}</a>`;
    return html`<a class="brand" href="/"><img src="/favicon.svg" alt="" />IoTSphere</a>
      <nav class="nav" aria-label="Pages">
        ${link("/", "fleet")}${link("/dead-letters", "letters")}${may.operate() ? link("/add", "add") : nothing}${may.seeUnknown() ? link("/refused", "refused") : nothing}
      </nav>`;
  }

  private tools(): Html {
    const chosen = theme();
    return html`<div class="tools">
      <span role="status" data-testid="live-state">${LIVE[live.state]()}</span>
      <span class="who">${session.user!.id}</span>
      <button class="icon plain" title="Theme: ${chosen}" aria-label="Theme: ${chosen}. Change" data-testid="theme" @click=${() => (nextTheme(), this.requestUpdate())}>
        <svg viewBox="0 0 24 24" aria-hidden="true">${ICONS[chosen]}</svg>
      </button>
      <button class="icon plain" title="Sign out" aria-label="Sign out" @click=${() => void session.signOut()}><svg viewBox="0 0 24 24" aria-hidden="true">${ICONS.out}</svg></button>
    </div>`;
  }

  private lost(): Html {
    return html`<div class="lost" role="alert" data-testid="lost">
      Connection lost. Reconnecting… <span aria-hidden="true">Values are from ${ago(live.lostSince, Date.now())}.</span>
    </div>`;
  }

  private page(): Html {
    if (this.broken) return html`<div class="page"><h1>${TITLES[this.current.page]}</h1><p class="notice crit" role="alert">${this.broken}</p></div>`;
    switch (this.current.page) {
      case "fleet":
        return html`<iot-fleet class="page"></iot-fleet>`;
      case "device":
        return html`<iot-device class="page" .deviceId=${this.current.id}></iot-device>`;
      case "add":
        return html`<iot-add-device class="page"></iot-add-device>`;
      case "refused":
        return html`<iot-refused class="page"></iot-refused>`;
      case "letters":
        return html`<iot-dead-letters class="page"></iot-dead-letters>`;
      case "missing":
        return html`<div class="page"><h1>Not found</h1><p>There is no such page. <a href="/">To the fleet</a></p></div>`;
    }
  }
}

const LIVE = {
  connecting: () => mark("off", "Connecting"),
  live: () => mark("ok", "Live"),
  interrupted: () => mark("warn", "Interrupted"),
  lost: () => mark("crit", "Offline"),
};

customElements.define("iot-app", App);
