/** What the server said of the last command, with undo for five seconds and a retry under the same id. */
import { effect } from "@preact/signals";
import { SHELVE } from "../logic/reasons";
import { dismiss, explain, latest, retry, undoable, undoLast, unexplained, type Told } from "../state/actions";
import { tellPolitely } from "../state/announce";
import { wall } from "../state/clock";

export function outcomeWords(told: Told): string {
  switch (told.outcome) {
    case "sending":
      return `${told.action}: sending`;
    case "accepted":
      return `${told.action}: done`;
    case "refused":
      return `${told.action} refused: ${told.words}`;
    case "unconfirmed":
      return `${told.action} ${told.words}`;
  }
}

effect(() => {
  const told = latest.value;
  if (told && told.outcome !== "sending") tellPolitely(`${told.label}: ${outcomeWords(told)}`);
});

export function ToldBar() {
  const told = latest.value;
  void wall.value;
  // A choice that is open does not go from under the hand.
  const choosing = document.activeElement?.id === "told-why";
  if (!told || (told.outcome === "accepted" && Date.now() - told.at > 8_000 && !choosing)) return null;
  const bad = told.outcome === "refused" || told.outcome === "unconfirmed";
  return (
    <span class="told" id="told" data-outcome={told.outcome}>
      <span class={bad ? "bad" : ""}>
        <bdi>{told.label}</bdi>: {outcomeWords(told)}
      </span>
      {undoable.value ? (
        <button class="button" type="button" onClick={() => void undoLast()}>
          Undo <kbd>u</kbd>
        </button>
      ) : null}
      <Because />
      {told.outcome === "unconfirmed" ? (
        <button class="button" type="button" onClick={() => void retry(told)}>
          Try again
        </button>
      ) : null}
      {bad ? (
        <button class="button" type="button" onClick={dismiss}>
          Dismiss
        </button>
      ) : null}
    </span>
  );
}

/** One key has shelved; why can be said now. */
function Because() {
  const held = unexplained.value;
  if (!held) return null;
  return (
    <select
      class="field"
      id="told-why"
      aria-label="Reason for the shelf"
      value=""
      onChange={(event) => void explain(held.alert, held.minutes, event.currentTarget.value)}
    >
      <option value="">because …</option>
      {SHELVE.map((reason) => (
        <option key={reason}>{reason}</option>
      ))}
    </select>
  );
}
