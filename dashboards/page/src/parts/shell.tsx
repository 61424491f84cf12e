/** What stands around every screen: banners, top bar, the answer to the last command, live regions. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect } from "preact/hooks";
import { highCalls } from "../state/attention";
import { now } from "../state/clock";
import { glucoseUnit } from "../state/prefs";
import { asNow } from "../state/tiles";
import { go, hrefPatient, route, wallMode } from "../state/route";
import { plural, sentence } from "../logic/words";
import { Banners } from "./banners";
import { Choices } from "./choices";
import { isPlain } from "./keys";
import { Marker } from "./marker";
import { ToldBar } from "./told";
import { TopBar } from "./topbar";
import { WhoAmI } from "./whoami";

/** Whoever does not know the keys learns them by one, wherever they are. */
function startHelpKey(): () => void {
  const pressed = (event: KeyboardEvent): void => {
    if (event.key !== "?" || !isPlain(event)) return;
    event.preventDefault();
    go("#/help");
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}

export function Shell({ children }: { children: ComponentChildren }) {
  useLayoutEffect(startHelpKey, []);
  return (
    <div class={wallMode.value ? "shell wall" : "shell"}>
      <Banners />
      <div>
        <TopBar />
        {route.value.name === "ward" ? null : <Strip />}
      </div>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <footer class="foot">
        <span>
          Not a medical device: a secondary notifier. No arrhythmia detection. Look at the patient, not at the screen.
        </span>
        {wallMode.value ? null : <Choices />}
        <WhoAmI />
        <ToldBar />
      </footer>
    </div>
  );
}

/** On screens without the worklist: the first who calls with high priority. */
function Strip() {
  const calls = highCalls.value;
  const first = calls[0];
  if (!first) return null;
  return (
    <section class="strip" id="strip" aria-label="Who calls" data-alert={first.lead.id}>
      <Marker alert={first.lead} />
      <a href={hrefPatient(first.patient)}>
        <bdi>{first.label}</bdi>
      </a>
      <span>{sentence(asNow(first.lead), glucoseUnit.value, now.value)}</span>
      {calls.length > 1 ? <a href="#/">and {plural(calls.length - 1, "more high alert")}</a> : null}
    </section>
  );
}
