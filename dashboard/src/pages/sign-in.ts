import { LitElement, html, nothing } from "lit";
import { session } from "../app.ts";
import { said } from "../core/said.ts";

export class SignIn extends LitElement {
  static override properties = { busy: { state: true }, error: { state: true } };
  declare busy: boolean;
  declare error: string;

  constructor() {
    super();
    this.busy = false;
    this.error = "";
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override render() {
    return html`<main class="door" id="main">
      <div class="panel stack">
        <span class="brand"><img src="/favicon.svg" alt="" />IoTSphere</span>
        <h1>Sign in</h1>
        <form class="form" @submit=${this.submit}>
          <div class="field"><label for="user">User</label><input id="user" name="user" autocomplete="username" autocapitalize="none" required autofocus /></div>
          <div class="field"><label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required /></div>
          ${this.error ? html`<p class="notice crit" role="alert">${this.error}</p>` : nothing}
          <button class="primary" ?disabled=${this.busy}>${this.busy ? "Signing in…" : "Sign in"}</button>
        </form>
      </div>
    </main>`;
  }

  private submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    this.busy = true;
    this.error = "";
    try {
      await session.signIn(String(form.get("user")).trim(), String(form.get("password")));
    } catch (error) {
      this.error = said(error);
    }
    this.busy = false;
  };
}

customElements.define("iot-sign-in", SignIn);
