/** Buttons of a card, and what the server said of the last one. */
import type { Alert } from "../../logic/alerts";
import type { Card } from "../../logic/order";
import { useDerived } from "../../parts/derived";
import { outcomeWords } from "../../parts/told";
import { going, release, retry, told, undoable, undoLast, type Told } from "../../state/actions";
import { session } from "../../state/session";
import { panel, toggle, type Panel } from "./choice";
import { answer } from "./keys";

export function Actions({ card }: { card: Card }) {
  const { lead, patient } = card;
  if (lead.condition === "over") {
    return (
      <div class="actions">
        <button class="button" type="button" onClick={() => answer(lead)}>
          Seen <kbd>a</kbd>
        </button>
        <Toggle patient={patient} kind="note" word="Note" letter="n" />
      </div>
    );
  }
  const mine = lead.owner !== null && lead.owner === session.value?.name;
  return (
    <div class="actions">
      {lead.response === "unacknowledged" ? (
        <span class="split">
          <button class="button first" type="button" onClick={() => answer(lead)}>
            Acknowledge <kbd>a</kbd>
          </button>
          <button class="button" type="button" aria-label="Acknowledge with a reason" title="with a reason" onClick={() => toggle(patient, "acknowledge")}>
            ▾
          </button>
        </span>
      ) : null}
      {mine ? (
        <button class="button" type="button" onClick={() => void release(lead)}>
          Give back
        </button>
      ) : (
        <button class="button" type="button" onClick={() => void going(lead)}>
          I’m going <kbd>g</kbd>
        </button>
      )}
      <Toggle patient={patient} kind="treated" word="Treated" letter="t" />
      <Toggle patient={patient} kind="shelve" word="Shelve" letter="s" />
      <span class="rare">
        <Toggle patient={patient} kind="note" word="Note" letter="n" />
        <Toggle patient={patient} kind="out" word="Out of service" letter="o" />
      </span>
    </div>
  );
}

Actions.Brief = function Brief({ alert }: { alert: Alert }) {
  if (alert.response === "acknowledged") return null;
  return (
    <button class="link" type="button" onClick={() => answer(alert)}>
      {alert.condition === "over" ? "Seen" : "Acknowledge"}
    </button>
  );
};

function Toggle({ patient, kind, word, letter }: { patient: string; kind: Panel; word: string; letter: string }) {
  const open = useDerived(() => panel.value?.patient === patient && panel.value.kind === kind, [patient, kind]);
  return (
    <button class="button" type="button" aria-expanded={open.value} onClick={() => toggle(patient, kind)}>
      {word} <kbd>{letter}</kbd>
    </button>
  );
}

/** The newest command about one of the subjects. */
export function Outcome({ subjects }: { subjects: readonly string[] }) {
  const newest = useDerived<Told | null>(() => {
    let found: Told | null = null;
    for (const subject of subjects) {
      const entry = told.value.get(subject);
      if (entry && (!found || entry.at > found.at)) found = entry;
    }
    return found;
  }, [subjects.join()]);
  const entry = newest.value;
  if (!entry) return null;
  const undo = undoable.value?.id === entry.id;
  if (entry.outcome === "accepted" && !undo) return null;
  const bad = entry.outcome === "refused" || entry.outcome === "unconfirmed";
  return (
    <p class={bad ? "outcome bad" : "outcome"} data-outcome={entry.outcome}>
      {outcomeWords(entry)}{" "}
      {undo ? (
        <button class="button" type="button" onClick={() => void undoLast()}>
          Undo <kbd>u</kbd>
        </button>
      ) : null}
      {entry.outcome === "unconfirmed" ? (
        <button class="button" type="button" onClick={() => void retry(entry)}>
          Try again
        </button>
      ) : null}
    </p>
  );
}
