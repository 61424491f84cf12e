/** One uPlot chart of one metric. It shares its cursor and its time axis with the other; everything else is its own. */
import uPlot from "uplot";
import { SECOND, hhmm } from "../../logic/times";
import { drawOver, drawUnder, type Scene } from "./draw";
import { readLook, type Look } from "./look";
import type { Span } from "./view";

export const LEFT = 52;
export const RIGHT = 96;

export interface PanelOptions {
  readonly host: HTMLElement;
  readonly sync: string;
  /** Whether this panel writes the times under it. */
  readonly times: boolean;
  readonly onCursor: (at: number | null) => void;
  readonly onDrawn: () => void;
}

export class Panel {
  private readonly u: uPlot;
  private look: Look;
  private scene: Scene | null = null;

  constructor(private readonly options: PanelOptions) {
    this.look = readLook(options.host);
    this.u = new uPlot(this.setup(), [[], [], [], [], []], options.host);
    this.u.root.setAttribute("aria-hidden", "true");
  }

  get over(): HTMLElement {
    return this.u.over;
  }

  /** Draws a scene over a span of time, once. */
  show(scene: Scene, span: Span): void {
    this.scene = scene;
    const { x, max, min, last, late } = scene.data;
    this.u.batch(() => {
      this.u.setData([x, max, min, last, late], false);
      this.u.setScale("x", { min: span.from / SECOND, max: span.to / SECOND });
    });
  }

  /** Puts the cursor at a time, as a pointer would. */
  point(at: number): void {
    const left = this.u.valToPos(at / SECOND, "x");
    this.u.setCursor({ left, top: 10 }, true);
  }

  resize(width: number, height: number): void {
    if (this.u.width !== width || this.u.height !== height) this.u.setSize({ width, height });
  }

  recolour(): void {
    this.look = readLook(this.options.host);
    this.u.redraw(false, true);
  }

  destroy(): void {
    this.u.destroy();
  }

  private setup(): uPlot.Options {
    const { host, sync, times } = this.options;
    const grid = { stroke: () => this.look.grid, width: 1 };
    const axis = { stroke: () => this.look.muted, font: `12px ${this.look.font}`, ticks: { show: false }, grid };
    return {
      width: Math.max(200, host.clientWidth), height: Math.max(80, host.clientHeight),
      padding: [8, RIGHT, times ? 0 : 6, 0],
      legend: { show: false },
      cursor: {
        y: false, drag: { x: false, y: false, setScale: false },
        points: { size: 7, fill: () => this.look.line, stroke: () => this.look.surface, width: 2 },
        sync: { key: sync, scales: ["x", null] },
      },
      scales: { x: { time: true }, y: { auto: true, range: () => [...(this.scene?.range ?? [0, 1])] as [number, number] } },
      axes: [
        { ...axis, size: times ? 26 : 0, space: 64, values: (_u, splits, _axis, _space, step) => (times ? timeWords(splits, step) : []) },
        { ...axis, size: LEFT, space: 34, values: (_u, splits) => splits.map((value) => this.scene?.number(value) ?? "") },
      ],
      series: this.lines(),
      bands: [{ series: [1, 2], fill: () => this.look.envelope }],
      hooks: {
        drawClear: [(u) => this.scene && drawUnder(u, this.scene, this.look, uPlot.pxRatio)],
        draw: [(u) => this.drawn(u)],
        setCursor: [(u) => this.cursor(u)],
      },
    };
  }

  private lines(): uPlot.Series[] {
    const line = () => this.look.line;
    const points = { show: false };
    const edge = { stroke: () => this.look.envelope, width: 1, points };
    return [{}, edge, edge, { stroke: line, width: 2, points }, { stroke: line, width: 1.5, dash: [4, 4], points }];
  }

  private drawn(u: uPlot): void {
    if (this.scene === null) return;
    drawOver(u, this.scene, this.look, uPlot.pxRatio);
    this.options.onDrawn();
  }

  private cursor(u: uPlot): void {
    const left = u.cursor.left ?? -1;
    this.options.onCursor(left < 0 ? null : u.posToVal(left, "x") * SECOND);
  }
}

/** Times under the axis; a midnight tells its day instead. */
function timeWords(splits: readonly number[], step: number): string[] {
  return splits.map((second) => {
    const date = new Date(second * 1000);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0;
    if (step < 86_400 && !midnight) return hhmm(second * SECOND);
    return date.toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: step < 86_400 ? undefined : "short" });
  });
}
