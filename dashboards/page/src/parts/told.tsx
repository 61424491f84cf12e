/** What the server said of the last command, with undo for five seconds and a retry under the same id. */
import { effect } from "@preact/signals";
import { dismiss, latest, retry, undoable, undoLast, type Told } from "../state/actions";
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
  if (!told || (told.outcome === "accepted" && Date.now() - told.at > 8_000)) return null;
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
