import { Part } from "./base.ts";

/** A panel of the device page: it knows its device and starts anew when that changes. */
export abstract class DevicePanel extends Part {
  static override properties = { deviceId: { attribute: false } };
  declare deviceId: string;
  private shownFor = "";

  protected override willUpdate(): void {
    if (this.shownFor === this.deviceId) return;
    this.shownFor = this.deviceId;
    this.reset();
  }

  /** Forget the last device and load this one. */
  protected abstract reset(): void;
}
