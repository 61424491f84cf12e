/** One patient with open alerts: what, why and next in one sentence, who has it, and what to do. */
import type { Alert } from "../../logic/alerts";
import { reading, type Reading as ReadingData } from "../../logic/current";
import type { Card as CardData } from "../../logic/order";
import { brief, left, MINUTE } from "../../logic/times";
import { ARROW_WORDS, ARROWS, slopeDigits, unitOf } from "../../logic/units";
import { called, plural, sentence, who, word } from "../../logic/words";
import { useDerived } from "../../parts/derived";
import { Marker } from "../../parts/marker";
import { PatientLink } from "../../parts/patientlink";
import { judged, minute, now } from "../../state/clock";
import { glucoseUnit } from "../../state/prefs";
import { wallMode } from "../../state/route";
import { asNow, beds, siteName, tileOf } from "../../state/tiles";
import { Actions, Done, Outcome } from "./actions";
import { selected } from "./choice";
import { mayCommand } from "./keys";
import { OpenPanel } from "./panels";

/** So many further alerts are shown although they are over; of what is still there none is ever left out. */
const UNSEEN_SHOWN = 2;

export function Card({ card }: { card: CardData }) {
  const { lead, patient } = card;
  const chosen = useDerived(() => {
    const on = selected.value === patient;
    return `card ${lead.priority}${lead.condition === "over" ? " over" : lead.response === "unacknowledged" ? " calling" : " answered"}${on ? " selected" : ""}`;
  }, [lead, patient]);
  const bed = useDerived(() => beds.value.get(patient) ?? "", [patient]);
  const open = useDerived(() => {
    void minute.value;
    const open_us = now.peek() - lead.opened_at;
    return open_us < MINUTE ? "< 1 min" : brief(open_us);
  }, [lead.opened_at]);
  const further = card.alerts.slice(1).filter((alert, place) => !alert.unseen || place < UNSEEN_SHOWN);
  const rest = card.alerts.length - 1 - further.length;
  const subjects = [...card.alerts.map((alert) => alert.id), patient];
  return (
    <li
      class={chosen}
      id={`card-${patient}`}
      data-patient={patient}
      data-priority={lead.priority}
      tabIndex={0}
      aria-label={`${card.label}, ${lead.priority} priority, ${word(lead).toLowerCase()}`}
      onFocus={() => (selected.value = patient)}
      onPointerDown={() => (selected.value = patient)}
    >
      <div class="head">
        <Marker alert={lead} />
        <PatientLink patient={patient} style="label">
          <bdi>{card.label}</bdi>
        </PatientLink>
        <bdi class="bed">{bed}</bdi>
        <span class="muted small site" title={siteName(card.site)}>
          {siteName(card.site)}
        </span>
        <Done subjects={subjects} />
        <span class="muted small age" title="open for">
          {open}
        </span>
      </div>
      <div class="what" data-alert={lead.id}>
        <Reading alert={lead} />
        <div>
          <Sentence alert={lead} />
          <Who alert={lead} />
        </div>
      </div>
      {further.map((alert) => (
        <Also key={alert.id} alert={alert} />
      ))}
      {rest > 0 ? (
        <p class="also">
          and {plural(rest, "more alert")} that {rest === 1 ? "is" : "are"} over and unseen:{" "}
          <PatientLink patient={patient}>look at {card.label}</PatientLink>
        </p>
      ) : null}
      {mayCommand() && !wallMode.value ? (
        <>
          <Actions card={card} />
          <OpenPanel card={card} />
        </>
      ) : null}
      <Outcome subjects={subjects} />
    </li>
  );
}

/** The value big, as long as it is how the patient is now. What is over has none: an old number beside a name misleads. */
function Reading({ alert }: { alert: Alert }) {
  const told = useDerived(() => {
    const metric = alert.metric === "glucose" || alert.metric === "heart_rate" ? alert.metric : null;
    const vital = alert.patient && metric ? (tileOf(alert.patient)?.vitals[metric] ?? null) : null;
    // A text: whoever shows it is told only when it is another one.
    return JSON.stringify(reading(alert, vital, judged.value, glucoseUnit.value));
  }, [alert]);
  const { kind, text, slope, arrow } = JSON.parse(told.value) as ReadingData;
  if (kind === "none") return null;
  if (kind === "past") return <p class="past muted small">{text}</p>;
  return (
    <p class={kind === "now" ? "reading" : "reading hatched"}>
      <b>{text}</b> <span class="unit">{unitOf(alert.metric, glucoseUnit.value)}</span>{" "}
      {slope === null ? null : (
        <span class="trend">
          {ARROWS[String(arrow)] ?? ""} {slopeDigits("glucose", slope, glucoseUnit.value)} <span class="unseen-by-eyes">{ARROW_WORDS[String(arrow)] ?? ""}</span>
        </span>
      )}
    </p>
  );
}

function Sentence({ alert }: { alert: Alert }) {
  const text = useDerived(() => {
    void minute.value;
    return sentence(asNow(alert), glucoseUnit.value, now.peek());
  }, [alert]);
  const more = called(alert);
  return (
    <p class="sentence">
      {text}
      {more ? <strong> · {more}</strong> : null}
      {alert.undelivered ? <strong> · was on no screen for 10 s</strong> : null}
    </p>
  );
}

function Who({ alert }: { alert: Alert }) {
  const text = useDerived(() => {
    void minute.value;
    return who(alert, now.peek());
  }, [alert]);
  const recheck = useDerived(
    () => (alert.recheck_at === null ? "" : `recheck in ${left(alert.recheck_at - now.value)}`),
    [alert.recheck_at],
  );
  const note = alert.notes.at(-1);
  return (
    <>
      {text.value || alert.recheck_at !== null ? (
        <p class="who">
          <b>{text}</b> {recheck}
          {alert.acknowledged_reason ? <span class="muted">
              {" "}
              “<bdi>{alert.acknowledged_reason}</bdi>”
            </span> : null}
        </p>
      ) : null}
      {note ? (
        <p class="small">
          <bdi class="muted">{note.by}</bdi>
          <span class="muted">:</span> <bdi>{note.text}</bdi>
        </p>
      ) : null}
    </>
  );
}

/** A further alert of the same patient. */
function Also({ alert }: { alert: Alert }) {
  const text = useDerived(() => {
    void minute.value;
    const has = who(alert, now.peek());
    return sentence(asNow(alert), glucoseUnit.value, now.peek()) + (has ? ` · ${has}` : "");
  }, [alert]);
  return (
    <p class="also" data-alert={alert.id}>
      <Marker alert={alert} /> {text}{" "}
      {mayCommand() && !wallMode.value ? <Actions.Brief alert={alert} /> : null}
    </p>
  );
}
