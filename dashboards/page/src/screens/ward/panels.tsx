/** What a card asks for before it acts: minutes and a reason, or a note. One click on a reason does it. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Card } from "../../logic/order";
import { ACKNOWLEDGE, OUT, OUT_MINUTES, SHELVE, shelfMinutes, TREATED_MINUTES } from "../../logic/reasons";
import { span, MINUTE } from "../../logic/times";
import { useDerived } from "../../parts/derived";
import { note, outOfService, shelve, treated } from "../../state/actions";
import { panel, toggle } from "./choice";
import { answer } from "./keys";

export function OpenPanel({ card }: { card: Card }) {
  const kind = useDerived(() => (panel.value?.patient === card.patient ? panel.value.kind : null), [card.patient]);
  const { lead, patient } = card;
  switch (kind.value) {
    case "acknowledge":
      return <Ask title="Acknowledge because" reasons={ACKNOWLEDGE} plain="without a reason" minutes={[]} onDone={(reason) => answer(lead, reason)} />;
    case "shelve":
      return (
        <Ask
          title="Shelve"
          reasons={SHELVE}
          plain="without a reason"
          minutes={shelfMinutes(lead)}
          first={15}
          onDone={(reason, minutes) => void shelve(lead, minutes, reason)}
        />
      );
    case "treated":
      return (
        <Ask title="Treated: look again" reasons={[]} plain="Treated" minutes={TREATED_MINUTES} first={15} onDone={(_reason, minutes) => void treated(lead, minutes)} />
      );
    case "out":
      return (
        <Ask
          title="Out of service: only a high alert calls"
          reasons={OUT}
          plain="without a reason"
          minutes={OUT_MINUTES}
          first={30}
          onDone={(reason, minutes) => void outOfService(patient, card.label, minutes, reason)}
        />
      );
    case "more":
      return <More patient={patient} />;
    case "note":
      return <NoteForm onDone={(text) => void note(lead, text)} />;
    default:
      return null;
  }
}

/** What is rarely needed. */
function More({ patient }: { patient: string }) {
  return (
    <div class="panel row" role="group" aria-label="More">
      <button class="button" type="button" onClick={() => toggle(patient, "note")}>
        Note
      </button>
      <button class="button" type="button" onClick={() => toggle(patient, "out")}>
        Out of service
      </button>
    </div>
  );
}

/** The panel goes; the keys go on from its card. */
function close(): void {
  const patient = panel.peek()?.patient;
  panel.value = null;
  if (patient) document.getElementById(`card-${patient}`)?.focus();
}

interface AskProps {
  title: string;
  reasons: readonly string[];
  plain: string;
  minutes: readonly number[];
  first?: number;
  onDone(reason: string, minutes: number): void;
}

function Ask({ title, reasons, plain, minutes, first = 0, onDone }: AskProps) {
  const chosen = useSignal(first);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box.current?.querySelector<HTMLElement>("[data-first]")?.focus();
  }, []);
  const done = (reason: string): void => {
    close();
    onDone(reason, chosen.value);
  };
  return (
    <div class="panel" ref={box} role="group" aria-label={title}>
      <p>{title}</p>
      {minutes.length > 0 ? (
        <div class="row" role="group" aria-label="for how long">
          {minutes.map((each) => (
            <button key={each} class="button" type="button" aria-pressed={chosen.value === each} onClick={() => (chosen.value = each)}>
              {span(each * MINUTE)}
            </button>
          ))}
        </div>
      ) : null}
      <div class="row">
        {[...reasons, plain].map((reason, place) => (
          <button key={reason} class="button" type="button" data-first={place === 0 ? "" : undefined} onClick={() => done(reason === plain ? "" : reason)}>
            {reason}
          </button>
        ))}
      </div>
    </div>
  );
}

function NoteForm({ onDone }: { onDone(text: string): void }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const text = field.current?.value.trim() ?? "";
    if (!text) return;
    close();
    onDone(text);
  };
  return (
    <form class="panel row" onSubmit={submit}>
      <input class="field grow" ref={field} maxLength={500} aria-label="Note" placeholder="Note, no names" />
      <button class="button" type="submit">
        Write
      </button>
    </form>
  );
}
