/** Older changes from the API, page by page. */
import { signal } from "@preact/signals";
import { ApiError, api } from "../../state/session";
import { toEntry, type AlertFields, type Entry } from "./entries";

export const PAGE = 200;

interface Page {
  readonly changes: readonly AlertFields[];
  readonly next: string | number | null;
}

export interface Older {
  readonly phase: "loading" | "more" | "end" | "failed";
  readonly why: string;
}

export class OlderChanges {
  readonly entries = signal<readonly Entry[]>([]);
  readonly state = signal<Older>({ phase: "more", why: "" });
  private next: string | number | null = null;
  private begun = false;
  private readonly question = new AbortController();

  stop(): void {
    this.question.abort();
  }

  /** The next page; nothing while one is on its way, or when all is here. */
  async load(): Promise<void> {
    const { phase } = this.state.peek();
    if (phase === "loading" || phase === "end") return;
    this.state.value = { phase: "loading", why: "" };
    const before = this.begun && this.next !== null ? `&before=${encodeURIComponent(this.next)}` : "";
    try {
      const page = await api<Page>(`/api/alerts?limit=${PAGE}${before}`, { signal: this.question.signal });
      this.begun = true;
      this.next = page.next ?? null;
      this.entries.value = [...this.entries.peek(), ...page.changes.map(toEntry)];
      this.state.value = { phase: this.next === null ? "end" : "more", why: "" };
    } catch (error) {
      if (!this.question.signal.aborted) this.state.value = { phase: "failed", why: words(error) };
    }
  }
}

function words(error: unknown): string {
  if (error instanceof ApiError && error.status === 503) return "The database is away: older changes cannot be shown. New ones go on.";
  if (error instanceof ApiError) return `The server could not give older changes (${error.status} ${error.message}).`;
  return "The server does not answer: older changes cannot be shown. New ones go on.";
}
