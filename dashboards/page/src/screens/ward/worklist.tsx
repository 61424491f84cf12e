/** The worklist: at most a window of cards is drawn, each renders only when something on it changed. */
import { signal, useSignal } from "@preact/signals";
import { Component, type VNode } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { isTop, portion, WINDOW } from "../../logic/growth";
import type { Card as CardData } from "../../logic/order";
import { nothingWords, plural } from "../../logic/words";
import { synced } from "../../state/feed";
import { afterPaint } from "../../state/paint";
import { ALL, filters } from "../../state/prefs";
import { go, route, wallMode } from "../../state/route";
import { chosenSite } from "../../state/scope";
import { siteName } from "../../state/tiles";
import { Card } from "./card";
import { cards, drawn, elsewhere, frozen, hiddenByFilter, leave, limit, panel, pinned, reach, room, touch, WALL_CARDS_MAX, wanted } from "./choice";
import { focusCard } from "./view";

/** Renders again only for another card; whatever else moves on it are signals. */
class Kept extends Component<{ card: CardData }> {
  override shouldComponentUpdate(next: { card: CardData }): boolean {
    return next.card !== this.props.card;
  }
  override render() {
    return <Card card={this.props.card} />;
  }
}

// Never a node that is kept and drawn again: each would hold the list it stood in before, and that its cards, for ever.
const node = (card: CardData): VNode => <Kept key={card.patient} card={card} />;

export function Worklist() {
  return wallMode.value ? <WallList /> : <DeskList />;
}

/** New cards that are drawn at once; the next ones follow frame by frame, so that a burst never holds the page up. */
const NEW_PER_FRAME = 3;
const again = signal(0);
const drawMore = (): void => {
  again.value += 1;
};

/** A card that only moves gets its focus back, and nobody came to it. */
let putBack = false;

function DeskList() {
  void again.value;
  const due = wanted.value;
  const rest = cards.value.length - due.length;
  const kept = pinned.value;
  const shown = portion(due, (patient) => drawn.peek().has(patient) || kept.has(patient), NEW_PER_FRAME);
  useEffect(() => {
    if (shown.length < due.length) afterPaint(drawMore);
  });
  const list = useRef<HTMLOListElement>(null);
  useLayoutEffect(() => {
    if (shown.length !== drawn.peek().size || shown.some((card) => !drawn.peek().has(card.patient))) drawn.value = new Set(shown.map((card) => card.patient));
    if (goesOn === null || !drawn.peek().has(goesOn)) return;
    focusCard(goesOn);
    goesOn = null;
  });
  // A card that moves to another place is taken out of the page for a moment, and the focus with it.
  const focused = document.activeElement;
  useLayoutEffect(() => {
    if (!(focused instanceof HTMLElement) || focused === document.activeElement || !list.current?.contains(focused)) return;
    putBack = true;
    focused.focus({ preventScroll: true });
    putBack = false;
  });
  useEffect(() => {
    const side = list.current?.closest(".side");
    const scrolled = (event: Event): void => {
      if (side && (event.target === side || event.target === document)) shorten(side);
    };
    document.addEventListener("scroll", scrolled, { passive: true, capture: true });
    return () => {
      document.removeEventListener("scroll", scrolled, { capture: true });
      drawn.value = new Set();
      limit.value = short = WINDOW;
      goesOn = null;
    };
  }, []);
  return (
    <>
      <ol class="cards" id="worklist" ref={list} onFocusIn={arrive} onPointerMove={touch} onPointerLeave={leave} data-frozen={frozen.value}>
        {shown.map(node)}
      </ol>
      {rest > 0 ? <More rest={rest} whole={shown.length === due.length} /> : null}
      <Nothing />
      <p class="more">
        <Hidden />
      </p>
    </>
  );
}

/** The focus comes to a card, or to something on it: what follows is drawn before the next Tab, also where cards were left out. */
function arrive(event: FocusEvent): void {
  const patient = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-patient]")?.dataset.patient : undefined;
  if (patient && !putBack) reach(patient);
}

/** How many cards fill the screen while the list stands at its top. */
let short = WINDOW;
/** The first of the cards that were asked for by the button: the keyboard goes on there once it is drawn. */
let goesOn: string | null = null;

/** Scrolling stops within a pixel of the top where the screen's pixels are not the page's. */
const atTop = (side: Element): boolean => isTop(side.scrollTop + scrollY);

/** Back at its top the list is short again, unless somebody is writing on one of its cards. */
function shorten(side: Element): void {
  if (atTop(side) && panel.peek() === null) limit.value = short;
}

function pressMore(): void {
  const stand = drawn.peek();
  goesOn = cards.peek().find((card) => !stand.has(card.patient))?.patient ?? null;
  limit.value += WINDOW;
}

/** The end of what is drawn: while it is in view, the list goes on. */
function More({ rest, whole }: { rest: number; whole: boolean }) {
  const mark = useRef<HTMLParagraphElement>(null);
  // Where the focus is on the button, cards that come before it would be passed over by the next Tab.
  const held = useSignal(false);
  useEffect(() => {
    const end = mark.current;
    const side = end?.closest(".side");
    if (!end || !side || !whole || held.value) return undefined;
    // Without a root of its own: what scrolls is the list, or on a narrow screen the page.
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      limit.value += WINDOW;
      if (atTop(side)) short = limit.value;
    });
    watcher.observe(end);
    return () => watcher.disconnect();
  }, [whole, limit.value, held.value]);
  return (
    <p class="more" ref={mark}>
      and {plural(rest, "more patient")} with open alerts{" "}
      <button class="button" type="button" onClick={pressMore} onFocus={() => (held.value = true)} onBlur={() => (held.value = false)}>
        Show {Math.min(rest, WINDOW)} more
      </button>
    </p>
  );
}

function WallList() {
  const list = useRef<HTMLOListElement>(null);
  const all = cards.value;
  useLayoutEffect(() => {
    const measure = (): void => {
      const element = list.current;
      if (!element) return;
      const bottom = element.getBoundingClientRect().bottom + 1;
      const boxes = [...element.children];
      room.value = boxes.filter((box) => box.getBoundingClientRect().bottom <= bottom).length;
      boxes.forEach((box, place) => box.classList.toggle("beyond", place >= room.value));
    };
    measure();
    const watcher = new ResizeObserver(measure);
    if (list.current) watcher.observe(list.current);
    return () => watcher.disconnect();
  });
  const rest = all.length - Math.min(room.value, all.length);
  return (
    <>
      <ol class="cards" id="worklist" ref={list}>
        {all.slice(0, WALL_CARDS_MAX).map(node)}
        {all.length === 0 ? <Nothing /> : null}
      </ol>
      <p class="more">
        {rest > 0 ? `and ${plural(rest, "more patient")}` : ""} <Hidden />
      </p>
    </>
  );
}

function Nothing() {
  if (cards.value.length > 0) return null;
  return <p class="empty">{synced.value ? nothingWords(chosenSite.value === null ? "" : siteName(chosenSite.value), hiddenByFilter.value) : "Waiting for the list of open alerts"}</p>;
}

/** Who is not listed although something is open: a list that is only filtered must not look like a quiet night. */
function Hidden() {
  if (!synced.value) return null;
  const filtered = hiddenByFilter.value;
  const others = elsewhere.value;
  const wall = wallMode.value;
  return (
    <>
      {filtered > 0 ? (
        <span class="hidden">
          {plural(filtered, "patient")} hidden by filters{" "}
          {wall ? null : (
            <button class="button" type="button" onClick={() => (filters.value = { ...ALL, site: filters.peek().site })}>
              Show all
            </button>
          )}
        </span>
      ) : null}
      {others > 0 ? (
        <span class="hidden">
          {plural(others, "patient")} with open alerts at other sites{" "}
          {wall ? null : (
            <button class="button" type="button" onClick={allSites}>
              All sites
            </button>
          )}
        </span>
      ) : null}
    </>
  );
}

function allSites(): void {
  filters.value = { ...filters.peek(), site: null };
  if (route.peek().params.has("site")) go("#/");
}
