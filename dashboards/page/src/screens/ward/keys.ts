/** The ward by keyboard: j k to choose, a g t s n o to act, Enter to open, u to take back, ? for help. */
import { acknowledge, going, seen, shelve, undoLast } from "../../state/actions";
import type { Alert } from "../../logic/alerts";
import type { Card } from "../../logic/order";
import { go, hrefPatient } from "../../state/route";
import { mayOpenPatients, session } from "../../state/session";
import { cards, move, panel, selected, selectedCard, toggle } from "./choice";
import { focusCard, isSeen } from "./view";

export function mayCommand(): boolean {
  return session.value?.role === "clinician";
}

/** The one obvious answer: acknowledge what calls, see what is over. */
export function answer(alert: Alert, reason = ""): void {
  void (alert.condition === "over" ? seen(alert) : acknowledge(alert, reason));
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

function pressed(event: KeyboardEvent): void {
  if (event.key === "Escape" && panel.peek()) {
    const patient = panel.peek()?.patient ?? "";
    panel.value = null;
    focusCard(patient);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(event.target)) return;
  if (act(event)) event.preventDefault();
}

function act(event: KeyboardEvent): boolean {
  switch (event.key) {
    case "j":
    case "k": {
      const patient = move(event.key === "j" ? 1 : -1);
      if (patient) requestAnimationFrame(() => focusCard(patient));
      return true;
    }
    case "?":
      go("#/help");
      return true;
    case "u":
      if (mayCommand()) void undoLast();
      return true;
    case "Enter": {
      const focused = document.activeElement;
      const card = selectedCard();
      if (!card || !mayOpenPatients.peek() || (focused instanceof HTMLElement && focused.closest("a, button, summary"))) return false;
      go(hrefPatient(card.patient));
      return true;
    }
    default:
      return command(event.key);
  }
}

function command(key: string): boolean {
  if (!"agtsno".includes(key) || key.length !== 1 || !mayCommand()) return false;
  const card = selectedCard();
  if (!card || !isSeen(card.patient)) {
    point(card ?? cards.peek()[0]);
    return true;
  }
  switch (key) {
    case "a":
      answer(card.lead);
      break;
    case "g":
      if (card.lead.condition !== "over") void going(card.lead);
      break;
    case "t":
      if (card.lead.condition !== "over") toggle(card.patient, "treated");
      break;
    case "s":
      if (card.lead.condition !== "over") void shelve(card.lead);
      break;
    case "n":
      toggle(card.patient, "note");
      break;
    case "o":
      toggle(card.patient, "out");
      break;
  }
  return true;
}

/** Without a choice in view the first key only shows it: nobody acts on a card that was not pointed at, or is not seen. */
function point(card: Card | undefined): void {
  if (!card) return;
  selected.value = card.patient;
  requestAnimationFrame(() => focusCard(card.patient));
}

export function startKeys(): () => void {
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}
