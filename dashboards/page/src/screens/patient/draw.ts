/** What uPlot does not draw by itself: bands, limits, alerts' shades, gaps, late dots, LOW and HIGH, invalid readings. */
import type uPlot from "uplot";
import { SECOND } from "../../logic/times";
import type { LimitLine } from "./bands";
import type { Look } from "./look";
import { alone, type PlotData } from "./plotdata";
import { CENSORED_HIGH, CENSORED_LOW, CLOCK_SUSPECT, INVALID, LATE, WARM_UP, type Series } from "./series";
import type { AlertSpan } from "./spans";

export interface Scene {
  readonly series: Series;
  readonly data: PlotData;
  /** In the unit on show. */
  readonly lines: readonly LimitLine[];
  readonly band: readonly [number, number] | null;
  readonly range: readonly [number, number];
  readonly number: (value: number) => string;
  readonly spans: readonly AlertSpan[];
  /** The moment of a link, and now; µs UTC, null where not on show. */
  readonly moment: number | null;
  readonly now: number | null;
}

const DASHES: Record<string, number[]> = { high: [], medium: [6, 4], low: [2, 4] };

interface Pen {
  readonly ctx: CanvasRenderingContext2D;
  readonly px: number;
  readonly x: (us: number) => number;
  readonly y: (value: number) => number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

function pen(u: uPlot, px: number): Pen {
  const { left, top, width, height } = u.bbox;
  return {
    ctx: u.ctx, px, left, top, right: left + width, bottom: top + height,
    x: (us) => u.valToPos(us / SECOND, "x", true), y: (value) => u.valToPos(value, "y", true),
  };
}

/** Under the lines: target band, shades of alerts, limits with their words. */
export function drawUnder(u: uPlot, scene: Scene, look: Look, px: number): void {
  const p = pen(u, px);
  p.ctx.save();
  p.ctx.setLineDash([]);
  clip(p);
  if (scene.band !== null) {
    p.ctx.fillStyle = look.band;
    p.ctx.fillRect(p.left, p.y(scene.band[1]), p.right - p.left, p.y(scene.band[0]) - p.y(scene.band[1]));
  }
  for (const span of scene.spans) shade(p, span, look, scene.now);
  gaps(p, scene, look);
  p.ctx.restore();
  limits(p, scene, look);
}

function clip(p: Pen): void {
  p.ctx.beginPath();
  p.ctx.rect(p.left, p.top, p.right - p.left, p.bottom - p.top);
  p.ctx.clip();
}

function shade(p: Pen, span: AlertSpan, look: Look, now: number | null): void {
  if (span.category === "technical") return;
  for (const part of span.parts) {
    const from = Math.max(p.left, p.x(part.from));
    const end = part.to ?? now;
    const to = end === null ? p.right : Math.min(p.right, p.x(end));
    if (to < p.left || from > p.right) continue;
    p.ctx.globalAlpha = part.unknown ? 0.07 : 0.16;
    p.ctx.fillStyle = look[part.priority];
    p.ctx.fillRect(from, p.top, Math.max(to - from, p.px), p.bottom - p.top);
  }
  p.ctx.globalAlpha = 1;
}

/** A gap stays empty; where there is room it says so. */
function gaps(p: Pen, scene: Scene, look: Look): void {
  p.ctx.fillStyle = look.muted;
  p.ctx.font = font(p, look, 11);
  p.ctx.textAlign = "center";
  for (const [from, to] of scene.series.gaps) {
    const [a, b] = [Math.max(p.left, p.x(from)), Math.min(p.right, p.x(to))];
    if (b - a > 56 * p.px) p.ctx.fillText("no data", (a + b) / 2, (p.top + p.bottom) / 2);
  }
}

/** Each limit over the time in which it held; those of today have their words at the right, others their value. */
function limits(p: Pen, scene: Scene, look: Look): void {
  const shown = scene.lines.map((line) => ({
    ...line, at: p.y(line.value), x0: Math.max(p.left, p.x(line.from)), x1: line.to === null ? p.right : Math.min(p.right, p.x(line.to)),
  })).filter((line) => line.at >= p.top - p.px && line.at <= p.bottom + p.px && line.x1 > line.x0).sort((a, b) => a.at - b.at);
  let free = p.top - 20 * p.px;
  p.ctx.save();
  p.ctx.lineWidth = p.px;
  p.ctx.font = font(p, look, 11);
  p.ctx.textAlign = "left";
  p.ctx.textBaseline = "middle";
  for (const line of shown) {
    p.ctx.strokeStyle = look.muted;
    p.ctx.setLineDash((DASHES[line.severity] ?? []).map((dash) => dash * p.px));
    stroke(p, line.x0, line.at, line.x1, line.at);
    p.ctx.fillStyle = look.muted;
    if (line.x1 < p.right) {
      if (line.x1 - line.x0 > 30 * p.px) p.ctx.fillText(scene.number(line.value), line.x0 + 4 * p.px, line.at - 7 * p.px);
      continue;
    }
    const at = Math.max(line.at, free + 12 * p.px);
    free = at;
    p.ctx.fillText(`${line.words} ${scene.number(line.value)}`, p.right + 6 * p.px, at);
  }
  p.ctx.restore();
}

function stroke(p: Pen, x0: number, y0: number, x1: number, y1: number): void {
  p.ctx.beginPath();
  p.ctx.moveTo(x0, y0);
  p.ctx.lineTo(x1, y1);
  p.ctx.stroke();
}

function font(p: Pen, look: Look, size: number): string {
  return `${size * p.px}px ${look.font}`;
}

/** Over the lines: lone and late dots, edges of the sensor's range, what was invalid, now and the linked moment. */
export function drawOver(u: uPlot, scene: Scene, look: Look, px: number): void {
  const p = pen(u, px);
  p.ctx.save();
  p.ctx.setLineDash([]);
  clip(p);
  dots(p, scene, look);
  edges(p, scene, look);
  bottomRow(p, scene, look);
  if (scene.now !== null) vertical(p, scene.now, look.muted, [2, 3]);
  if (scene.moment !== null) moment(p, scene.moment, look);
  p.ctx.restore();
}

function dots(p: Pen, scene: Scene, look: Look): void {
  const { data } = scene;
  p.ctx.fillStyle = look.line;
  for (const c of alone(data.last)) circle(p, p.x((data.x[c] as number) * SECOND), p.y(data.last[c] as number), 2.2, true);
  const late = data.source.filter((i) => i >= 0 && ((scene.series.flags[i] ?? 0) & LATE) !== 0).length;
  const step = Math.max(1, Math.ceil(late / ((p.right - p.left) / (7 * p.px))));
  p.ctx.strokeStyle = look.line;
  p.ctx.lineWidth = 1.4 * p.px;
  let seen = 0;
  data.source.forEach((i, c) => {
    const value = data.late[c] ?? null;
    if (i < 0 || value === null || ((scene.series.flags[i] ?? 0) & LATE) === 0) return;
    seen += 1;
    if (seen % step !== 0) return;
    p.ctx.fillStyle = look.surface;
    circle(p, p.x((data.x[c] as number) * SECOND), p.y(value), 2.8, true);
    p.ctx.stroke();
  });
}

function circle(p: Pen, x: number, y: number, radius: number, fill: boolean): void {
  p.ctx.beginPath();
  p.ctx.arc(x, y, radius * p.px, 0, 2 * Math.PI);
  if (fill) p.ctx.fill();
}

/** LOW and HIGH: a triangle at the edge of the sensor's range, the word once per stretch. */
function edges(p: Pen, scene: Scene, look: Look): void {
  p.ctx.font = font(p, look, 11);
  p.ctx.textAlign = "center";
  for (const [bit, word, down] of [[CENSORED_LOW, "LOW", true], [CENSORED_HIGH, "HIGH", false]] as const) {
    let worded = Number.NEGATIVE_INFINITY;
    scene.data.source.forEach((i, c) => {
      const value = (down ? scene.data.min[c] : scene.data.max[c]) ?? null;
      if (i < 0 || value === null || ((scene.series.flags[i] ?? 0) & bit) === 0) return;
      const [x, y] = [p.x((scene.data.x[c] as number) * SECOND), p.y(value)];
      p.ctx.fillStyle = look.text;
      triangle(p, x, y, down);
      if (x - worded > 40 * p.px) haloed(p, look, word, x, down ? y - 9 * p.px : y + 16 * p.px);
      worded = x;
    });
  }
}

/** A word that stays readable on a line. */
function haloed(p: Pen, look: Look, word: string, x: number, y: number): void {
  p.ctx.strokeStyle = look.surface;
  p.ctx.lineWidth = 4 * p.px;
  p.ctx.strokeText(word, x, y);
  p.ctx.fillText(word, x, y);
}

function triangle(p: Pen, x: number, y: number, down: boolean): void {
  const r = (down ? 4 : -4) * p.px;
  p.ctx.beginPath();
  p.ctx.moveTo(x - r, y - r / 2);
  p.ctx.lineTo(x + r, y - r / 2);
  p.ctx.lineTo(x, y + r);
  p.ctx.fill();
}

/** At the bottom: x an invalid reading, ? a suspect clock, a bar for warm-up. At most one mark every 9 pixels. */
function bottomRow(p: Pen, scene: Scene, look: Look): void {
  const y = p.bottom - 7 * p.px;
  let free = Number.NEGATIVE_INFINITY;
  p.ctx.strokeStyle = look.text;
  p.ctx.fillStyle = look.text;
  p.ctx.lineWidth = 1.4 * p.px;
  p.ctx.font = font(p, look, 11);
  p.ctx.textAlign = "center";
  scene.series.t.forEach((t, i) => {
    const flags = scene.series.flags[i] ?? 0;
    if ((flags & (INVALID | CLOCK_SUSPECT | WARM_UP)) === 0) return;
    const x = p.x(t);
    if (x < p.left || x > p.right || x - free < 9 * p.px) return;
    free = x;
    const r = 3.5 * p.px;
    if ((flags & INVALID) !== 0) {
      stroke(p, x - r, y - r, x + r, y + r);
      stroke(p, x - r, y + r, x + r, y - r);
    } else if ((flags & WARM_UP) !== 0) stroke(p, x - r, y, x + r, y);
    else p.ctx.fillText("?", x, y + 3 * p.px);
  });
}

function vertical(p: Pen, at: number, colour: string, dash: number[]): void {
  p.ctx.strokeStyle = colour;
  p.ctx.lineWidth = p.px;
  p.ctx.setLineDash(dash.map((each) => each * p.px));
  stroke(p, p.x(at), p.top, p.x(at), p.bottom);
  p.ctx.setLineDash([]);
}

function moment(p: Pen, at: number, look: Look): void {
  const x = p.x(at);
  if (x < p.left || x > p.right) return;
  p.ctx.strokeStyle = look.moment;
  p.ctx.lineWidth = 2 * p.px;
  stroke(p, x, p.top, x, p.bottom);
}
