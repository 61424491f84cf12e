/** Buttons of a card, and what the server said of the last one. */
import type { Alert } from "../../logic/alerts";
import type { Card } from "../../logic/order";
import { useDerived } from "../../parts/derived";
import { outcomeWords } from "../../parts/told";
import { going, release, retry, shelve, told, undoable, undoLast, unshelve, type Told } from "../../state/actions";
import { shelves } from "../../state/feed";
import { session } from "../../state/session";
import { panel, toggle, type Panel } from "./choice";
import { answer } from "./keys";

/** No button ever moves or changes its size: a second click must not hit another one. What is not possible is dimmed. */
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
  const answered = lead.response !== "unacknowledged";
  const mine = lead.owner !== null && lead.owner === session.value?.name;
  return (
    <div class="actions">
      <span class="split">
        <button class="button first" type="button" disabled={answered} onClick={() => answer(lead)}>
          Acknowledge <kbd>a</kbd>
        </button>
        <button
          class="button"
          type="button"
          disabled={answered}
          aria-label="Acknowledge with a reason"
          title="with a reason"
          onClick={() => toggle(patient, "acknowledge")}
        >
          ▾
        </button>
      </span>
      {mine ? (
        <button class="button own" type="button" onClick={() => void release(lead)}>
          Give back
        </button>
      ) : (
        <button class="button own" type="button" onClick={() => void going(lead)}>
          I’m going <kbd>g</kbd>
        </button>
      )}
      <Toggle patient={patient} kind="treated" word="Treated" letter="t" />
      <Aside alert={lead} patient={patient} />
      <Toggle patient={patient} kind="more" word="⋯" letter="" label="More: note, out of service" />
      <span class="rare">
        <Toggle patient={patient} kind="note" word="Note" letter="n" />
        <Toggle patient={patient} kind="out" word="Out of service" letter="o" />
      </span>
    </div>
  );
}

/** One press puts it aside for 15 min; other minutes and a reason beside it. What is put aside already can be ended. */
function Aside({ alert, patient }: { alert: Alert; patient: string }) {
  const shelf = alert.response === "shelved" ? shelves.value.find((each) => each.id === alert.shelf) : undefined;
  return (
    <span class="split">
      {shelf ? (
        <button class="button first aside-now" type="button" onClick={() => void unshelve(shelf)}>
          End shelf
        </button>
      ) : (
        <button class="button first aside-now" type="button" title="for 15 min" onClick={() => void shelve(alert)}>
          Shelve <kbd>s</kbd>
        </button>
      )}
      <Toggle patient={patient} kind="shelve" word="▾" letter="" label="Shelve for how long, and why" />
    </span>
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

interface ToggleProps {
  patient: string;
  kind: Panel;
  word: string;
  letter: string;
  label?: string;
}

function Toggle({ patient, kind, word, letter, label }: ToggleProps) {
  const open = useDerived(() => panel.value?.patient === patient && panel.value.kind === kind, [patient, kind]);
  return (
    <button class={`button ${kind}`} type="button" aria-label={label} title={label} aria-expanded={open.value} onClick={() => toggle(patient, kind)}>
      {word} {letter ? <kbd>{letter}</kbd> : null}
    </button>
  );
}

/** The newest command about one of the subjects. */
function useNewest(subjects: readonly string[]): Told | null {
  return useDerived<Told | null>(() => {
    let found: Told | null = null;
    for (const subject of subjects) {
      const entry = told.value.get(subject);
      if (entry && (!found || entry.at > found.at)) found = entry;
    }
    return found;
  }, [subjects.join()]).value;
}

/** What goes well stands in the card's head, where it moves nothing: on its way, then done, with undo for five seconds. */
export function Done({ subjects }: { subjects: readonly string[] }) {
  const entry = useNewest(subjects);
  if (entry?.outcome === "sending") return <span class="done small">sending</span>;
  if (entry?.outcome !== "accepted" || undoable.value?.id !== entry.id) return null;
  return (
    <span class="done small" data-outcome={entry.outcome}>
      done{" "}
      <button class="button" type="button" aria-label={`Undo: ${entry.action}`} onClick={() => void undoLast()}>
        Undo <kbd>u</kbd>
      </button>
    </span>
  );
}

/** What did not go well has a line of its own until it does. */
export function Outcome({ subjects }: { subjects: readonly string[] }) {
  const entry = useNewest(subjects);
  if (entry?.outcome !== "refused" && entry?.outcome !== "unconfirmed") return null;
  return (
    <p class="outcome bad" data-outcome={entry.outcome}>
      {outcomeWords(entry)}{" "}
      {entry.outcome === "unconfirmed" ? (
        <button class="button" type="button" onClick={() => void retry(entry)}>
          Try again
        </button>
      ) : null}
    </p>
  );
}
