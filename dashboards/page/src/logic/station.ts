/** The tabs of one station: one sounds for all. What they tell one another, and what of it stands. Times ms of the tab. */
import { PRIORITIES, type Priority } from "./alerts";

/** What a tab wants to be heard. */
export interface Call {
  /** The worst that calls there. */
  priority: Priority | null;
  /** Its feed is lost, or nothing is judged. */
  technical: boolean;
}
export type Said =
  /** From the tab that sounds, twice a second; ``pausedUntil`` in ms since 1970. */
  | { kind: "leads"; pausedUntil: number | null }
  /** From one that does not, twice a second while something calls there. */
  | ({ kind: "calls"; from: string } & Call)
  /** From one that does not: this has been announced just now; ``rose`` ends a pause. */
  | { kind: "announced"; from: string; priority: Priority; rose: boolean }
  /** From one that does not: somebody there ended the pause. */
  | { kind: "unpause" };

/** A tab that has not told so long is gone. */
export const FORGET_MS = 3_000;
/** A tab that should sound and has not told so long hangs: another one takes its place. */
export const HANGS_MS = 5_000;

export class Calls {
  private readonly held = new Map<string, Call & { at: number }>();

  take(from: string, call: Call, moment: number): void {
    this.held.set(from, { ...call, at: moment });
  }

  /** The worst of this tab's own call and of those of the others that are still there. */
  with(own: Call, moment: number): Call {
    const all: Call[] = [own];
    for (const [from, call] of this.held) {
      if (moment - call.at > FORGET_MS) this.held.delete(from);
      else all.push(call);
    }
    return {
      priority: PRIORITIES.find((priority) => all.some((call) => call.priority === priority)) ?? null,
      technical: all.some((call) => call.technical),
    };
  }
}
