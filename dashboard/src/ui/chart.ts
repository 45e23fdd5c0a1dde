import { LitElement, css, html, nothing, svg, unsafeCSS, type PropertyValues } from "lit";
import uPlot from "uplot";
import plotStyles from "uplot/dist/uPlot.min.css?inline";
import { axisTimes, number, onOff, plain, withUnit } from "../core/format.ts";
import { align, dense, maxGap, reach, specks, type Aligned, type Band, type Plain } from "../core/series.ts";
import type { Member } from "../core/groups.ts";
import { onTheme } from "./theme.ts";

const HEIGHT = 220;
const HEIGHT_DISCRETE = 120;
const AXIS_WIDTH = 58;
const WATERMARK_ALPHA = 0.1;
const BAND_ALPHA = 0.3;
/** Pixels that a drag must have to be one. */
const DRAG = 5;
/** A stretch shorter than this part of the axis is drawn as a point. */
const SPECK = 300;
const DASHES: readonly number[][] = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 4]];

export interface Line extends Member {
  data: Plain;
  band?: Band | undefined;
}

/**
 * Lines over time that share one unit, each with a band when it stands for more. Nothing is drawn where nothing was heard.
 * Dragging tells `iot-zoom` with the ends (ms), a double click `iot-zoom-out`.
 */
export class Chart extends LitElement {
  static override properties = {
    lines: { attribute: false },
    unit: {},
    discrete: { type: Boolean },
    simulated: { type: Boolean },
    thinned: { type: Boolean },
    stepMs: { type: Number },
    from: { type: Number },
    to: { type: Number },
    at: { state: true },
  };
  declare lines: Line[];
  declare unit: string;
  declare discrete: boolean;
  declare simulated: boolean;
  /** The points stand for more than there are. */
  declare thinned: boolean;
  /** Width of the buckets that the points stand for, 0 for readings. */
  declare stepMs: number;
  /** Ends of the time axis, ms. */
  declare from: number;
  declare to: number;
  /** Index under the pointer. */
  declare at: number | null;
  private plot: uPlot | null = null;
  private built = "";
  private offTheme: (() => void) | null = null;
  private readonly size = new ResizeObserver(() => this.fit());

  static override styles = [
    unsafeCSS(plotStyles),
    css`
      :host { display: block; min-width: 0; }
      .unit { font-size: 12px; color: var(--fg-2); padding-left: 4px; }
      .plot { min-width: 0; overflow: hidden; }
      .u-hz .u-cursor-x { border-right-color: var(--off); }
      ul { list-style: none; display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 4px 0 0; padding: 0 0 0 4px; font-size: 13px; }
      li { display: inline-flex; align-items: center; gap: 7px; color: var(--fg-2); }
      li b { color: var(--fg); font-weight: 600; font-variant-numeric: tabular-nums; }
      li svg { width: 22px; height: 8px; fill: none; stroke-width: 2; }
      .sim { color: var(--sim); font-weight: 500; }
      .c0 { stroke: var(--series-1); }
      .c1 { stroke: var(--series-2); }
      .c2 { stroke: var(--series-3); }
      .c3 { stroke: var(--series-4); }
      .c4 { stroke: var(--series-5); }
    `,
  ];

  constructor() {
    super();
    this.lines = [];
    this.unit = "";
    this.discrete = this.simulated = this.thinned = false;
    this.from = this.to = this.stepMs = 0;
    this.at = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.offTheme = onTheme(() => {
      this.built = "";
      this.requestUpdate();
    });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.offTheme?.();
    this.size.disconnect();
    this.plot?.destroy();
    this.plot = null;
    this.built = "";
  }

  override render() {
    return html`<div class="unit" aria-hidden="true">${this.unit || nothing}</div>
      <div class="plot" role="img" aria-label=${this.described()}></div>
      <ul>${this.lines.map((line, i) => this.legend(line, i))}</ul>
      <span hidden class="probe"></span>`;
  }

  private legend({ measurement: m, colour, data }: Line, index: number) {
    const value = this.at === null ? data.values.at(-1) : before(this.plot?.data[index + 1], this.at);
    return html`<li>
      <svg viewBox="0 0 22 8" class="c${colour}" aria-hidden="true">${svg`<path stroke-dasharray=${DASHES[colour]!.join(" ")} d="M0 4H22" />`}</svg>
      <span>${m.title}</span><b>${this.text(value, m.decimals)}</b>${this.simulated ? html`<span class="sim">simulated</span>` : nothing}
    </li>`;
  }

  private text(value: number | null | undefined, decimals: number): string {
    return this.discrete ? onOff(value ?? undefined) : withUnit(number(value, decimals), this.unit);
  }

  private described(): string {
    const parts = this.lines.map(({ measurement: m, data, band }) => {
      const s = reach(data, band);
      if (!s) return `${m.title}: no readings`;
      return `${m.title}: ${this.text(s.low, m.decimals)} to ${this.text(s.high, m.decimals)}, last ${this.text(s.last, m.decimals)}`;
    });
    return `${this.simulated ? "Simulated data. " : ""}${parts.join("; ")}`;
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.size === 1 && changed.has("at")) return;
    const wanted = JSON.stringify([this.lines.map((line) => [line.measurement, line.colour, !!line.band]), this.unit, this.discrete, this.simulated]);
    if (wanted !== this.built) this.build();
    this.built = wanted;
    this.draw();
  }

  private draw(): void {
    const plot = this.plot!;
    plot.batch(() => {
      plot.setData(this.aligned() as uPlot.AlignedData, false);
      plot.setScale("x", { min: this.from / 1000, max: this.to / 1000 });
    });
  }

  /** The lines, then lowest and highest of each that has a band. */
  private aligned(): Aligned {
    const gap = ({ data, measurement }: Line) => maxGap(data.ts, measurement.interval_s, this.thinned, this.stepMs);
    const lines = this.lines.map((line) => ({ ts: line.data.ts, values: line.data.values, gapMs: gap(line) }));
    const edges = this.banded.flatMap((line) => [line.band!.low, line.band!.high].map((edge) => ({ ...dense(line.band!.ts, edge), gapMs: gap(line) })));
    return align([...lines, ...edges]);
  }

  private get banded(): Line[] {
    return this.lines.filter(({ band }) => band);
  }

  private build(): void {
    this.plot?.destroy();
    const box = this.renderRoot.querySelector<HTMLElement>(".plot")!;
    this.plot = new uPlot(this.options(Math.max(box.clientWidth, 200)), [[], ...this.lines.map(() => []), ...this.banded.flatMap(() => [[], []])], box);
    this.size.observe(box);
  }

  private fit(): void {
    const width = this.renderRoot.querySelector<HTMLElement>(".plot")?.clientWidth;
    if (this.plot && width && width !== this.plot.width) this.plot.setSize({ width, height: this.plot.height });
  }

  private options(width: number): uPlot.Options {
    const grid = { stroke: this.colour("line"), width: 1 };
    const common = { stroke: this.colour("fg-2"), grid, ticks: { ...grid, size: 5 }, font: "12px system-ui, 'Noto Sans', sans-serif" };
    const marks = this.discrete ? { splits: () => [0, 1], values: () => ["Off", "On"] } : { values: (_: uPlot, at: number[]) => at.map((v) => plain(v)) };
    return {
      width,
      height: this.discrete ? HEIGHT_DISCRETE : HEIGHT,
      legend: { show: false },
      cursor: {
        drag: { x: true, y: false, setScale: false, dist: DRAG },
        bind: { dblclick: () => () => this.tell("iot-zoom-out", null) },
        y: false,
        points: { size: 7 },
        sync: { key: "history", filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
      },
      scales: { x: { time: true }, y: this.discrete ? { range: [-0.2, 1.2] } : {} },
      axes: [
        { ...common, space: 70, size: 32, values: (_, at, __, ___, distance) => axisTimes(at, distance) },
        { ...common, size: AXIS_WIDTH, ...marks },
      ],
      series: [{}, ...this.lines.map((line) => this.series(line)), ...this.banded.flatMap(() => [EDGE, EDGE])],
      bands: this.banded.map(({ colour }, i) => this.band(colour, this.lines.length + 1 + 2 * i)),
      hooks: { drawClear: [(plot) => this.watermark(plot)], setCursor: [(plot) => this.pointed(plot)], setSelect: [(plot) => this.selected(plot)] },
    };
  }

  private band(colour: number, low: number): uPlot.Band {
    return { series: [low + 1, low], fill: this.colour(`series-${colour + 1}`).replace(/^rgb\((.*)\)$/, `rgba($1, ${BAND_ALPHA})`) };
  }

  private selected(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < DRAG) return;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.tell("iot-zoom", { from: plot.posToVal(left, "x") * 1000, to: plot.posToVal(left + width, "x") * 1000 });
  }

  private tell(what: string, detail: unknown): null {
    this.dispatchEvent(new CustomEvent(what, { detail, bubbles: true, composed: true }));
    return null;
  }

  private series({ measurement, colour }: Line): uPlot.Series {
    const stroke = this.colour(`series-${colour + 1}`);
    return {
      label: measurement.title,
      stroke,
      width: 1.75,
      pxAlign: 0,
      dash: DASHES[colour]!,
      points: { show: true, size: 5, fill: stroke, filter: (plot, series) => specks(plot.data[0] as number[], plot.data[series]!, (this.to - this.from) / 1000 / SPECK) },
      ...(this.discrete ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
    };
  }

  private pointed(plot: uPlot): void {
    this.at = (plot.cursor.left ?? -1) >= 0 ? (plot.cursor.idx ?? null) : null;
  }

  /** A canvas knows no custom properties: ask the browser what a token's colour is now. */
  private colour(token: string): string {
    const probe = this.renderRoot.querySelector<HTMLElement>(".probe")!;
    probe.style.color = `var(--${token})`;
    return getComputedStyle(probe).color;
  }

  private watermark(plot: uPlot): void {
    if (!this.simulated) return;
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.globalAlpha = WATERMARK_ALPHA;
    ctx.fillStyle = this.colour("sim");
    ctx.font = `700 ${20 * devicePixelRatio}px system-ui, 'Noto Sans', sans-serif`;
    stamp(ctx, bbox, "SIMULATED");
    ctx.restore();
  }
}

/** The text again and again, along the diagonal, over the whole box. */
function stamp(ctx: CanvasRenderingContext2D, { left, top, width, height }: uPlot.BBox, text: string): void {
  const rows = Math.max(1, Math.round(height / (85 * devicePixelRatio)));
  const columns = Math.max(1, Math.round(width / (230 * devicePixelRatio)));
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      ctx.save();
      ctx.translate(left + ((column + (row % 2 ? 0.65 : 0.35)) / columns) * width, top + ((row + 0.5) / rows) * height);
      ctx.rotate(-Math.PI / 9);
      ctx.fillText(text, 0, 0);
      ctx.restore();
    }
  }
}

/** Neither line nor points: what lies between two of these is filled. */
const EDGE: uPlot.Series = { points: { show: false }, width: 0 };

type Column = ArrayLike<number | null | undefined>;

/** The last value at or before an index, unless the line is interrupted there. */
function before(column: Column | undefined, index: number): number | null {
  for (let i = index; column && i >= 0; i -= 1) {
    if (column[i] !== undefined) return column[i]!;
  }
  return null;
}

customElements.define("iot-chart", Chart);
