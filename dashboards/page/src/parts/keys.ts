/** Which presses of a key are commands. */

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

/** A panel asks for something on this screen: a letter may be meant for its answer, and is no command to an alert. */
export function isAsked(): boolean {
  return document.querySelector(".panel") !== null;
}

/** One press of one key, not typed into a field, while nothing is asked. */
export function isPlain(event: KeyboardEvent): boolean {
  return !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat && !isTyping(event.target) && !isAsked();
}
