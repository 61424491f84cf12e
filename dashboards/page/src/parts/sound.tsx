/** The sound's state as the AudioContext has it, red when nobody would hear an alarm, and the gesture that mends it. */
import { computed } from "@preact/signals";
import { left } from "../logic/times";
import { localWall } from "../state/clock";
import { disable, enable, pause, pausedUntil, soundPhase, unpause } from "../state/sound";

const remaining = computed(() => (pausedUntil.value === null ? "" : left(pausedUntil.value * 1000 - localWall.value)));

export function SoundButton() {
  switch (soundPhase.value) {
    case "off":
      return (
        <button class="button loud" type="button" id="sound" onClick={() => void enable()}>
          Sound off: enable
        </button>
      );
    case "suspended":
      return (
        <button class="button loud" type="button" id="sound" onClick={() => void enable()}>
          Sound suspended: enable
        </button>
      );
    case "paused":
      return (
        <button class="button loud" type="button" id="sound" onClick={unpause}>
          Sound paused {remaining}
        </button>
      );
    case "paused_elsewhere":
      return (
        <button class="button loud" type="button" id="sound" onClick={unpause}>
          Sound paused in another tab {remaining}
        </button>
      );
    case "too_fast":
      return (
        <span class="fact" id="sound">
          <span class="name">sound</span>
          <span>none above 10 ×</span>
        </span>
      );
    case "elsewhere":
      return (
        <span class="fact" id="sound">
          <span class="name">sound</span>
          <span>in another tab</span>
        </span>
      );
    case "on":
      return (
        <span class="fact row" id="sound">
          <span class="name">sound on</span>
          <span>
            <button class="link" type="button" onClick={() => pause()}>
              pause 2 min
            </button>{" "}
            <button class="link" type="button" onClick={() => void enable()}>
              test
            </button>{" "}
            <button class="link" type="button" onClick={disable}>
              off
            </button>
          </span>
        </span>
      );
  }
}
