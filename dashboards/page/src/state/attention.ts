/** Counts by priority, and the tab's title and icon, which carry the highest one. */
import { computed, effect } from "@preact/signals";
import { isCalling, isListed, PRIORITIES, SIGN, type Priority } from "../logic/alerts";
import { alerts, link, worklist } from "./feed";
import { inScope } from "./scope";
import { stalled } from "./stalled";
import { onTick } from "./watchdog";

export interface Counts {
  /** Open and listed. */
  open: Record<Priority, number>;
  /** Of these, who calls: nobody has answered. */
  calling: Record<Priority, number>;
  technical: number;
  unseen: number;
}
export const counts = computed<Counts>(() => {
  const found: Counts = {
    open: { high: 0, medium: 0, low: 0 },
    calling: { high: 0, medium: 0, low: 0 },
    technical: 0,
    unseen: 0,
  };
  for (const alert of alerts.value.values()) {
    if (!isListed(alert) || !inScope(alert)) continue;
    found.open[alert.priority] += 1;
    if (isCalling(alert)) found.calling[alert.priority] += 1;
    if (alert.category === "technical") found.technical += 1;
    if (alert.unseen) found.unseen += 1;
  }
  return found;
});
/** Cards that call with high priority, in order: of these every screen but the ward shows the first one. */
export const highCalls = computed(() => worklist.value.filter((card) => inScope(card) && card.lead.priority === "high" && isCalling(card.lead)));
/** The highest priority that calls, null when none does. */
export const highest = computed<Priority | null>(
  () => PRIORITIES.find((priority) => counts.value.calling[priority] > 0) ?? null,
);
const lost = computed(() => ["lost", "refused"].includes(link.value.phase));

/** What is worst first: a tab's title is cut after a few words. From where nothing is judged no alert comes; from elsewhere it may. */
export const title = computed(() => {
  if (lost.value) return "FEED LOST · Vigil";
  const priority = highest.value;
  const words = [
    stalled.value ? "DATA STALLED" : "",
    priority ? `${SIGN[priority]} ${counts.value.calling[priority]} ${priority}` : "",
    "Vigil",
  ];
  return words.filter((word) => word !== "").join(" · ");
});

const ICON_COLOURS: Readonly<Record<Priority, string>> = { high: "#ff4d4d", medium: "#ffd60a", low: "#22d3ee" };

function icon(): string {
  const priority = highest.value;
  const mark = lost.value || (stalled.value && !priority);
  const fill = mark ? "#ffffff" : priority ? ICON_COLOURS[priority] : "#6b7280";
  const text = mark ? "!" : priority ? SIGN[priority] : "";
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="${fill}"/>` +
    `<text x="16" y="${text === "!" ? 25 : 30}" font-family="sans-serif" font-size="${text === "!" ? 26 : 24}" ` +
    `font-weight="bold" text-anchor="middle" fill="#000">${text}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

export function startAttention(): void {
  const showTitle = (): void => {
    if (document.title !== title.peek()) document.title = title.peek();
  };
  // The browser draws its own window anew for each title: what matters at once, a mere count twice a second.
  effect(() => {
    void highest.value;
    void lost.value;
    void stalled.value;
    showTitle();
  });
  onTick(showTitle);
  effect(() => {
    const link = document.getElementById("icon");
    if (link instanceof HTMLLinkElement) link.href = icon();
  });
}
