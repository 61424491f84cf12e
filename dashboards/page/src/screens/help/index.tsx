/** Help: keys, signs, sounds, what the states mean, and what this is not. */
import "./help.css";
import type { ComponentChildren } from "preact";
import { versions } from "../../parts/banners";
import { PriorityMarker } from "../../parts/marker";

type Keys = readonly (readonly [string, string])[];

const WARD: Keys = [
  ["j k", "next, previous patient on the worklist; on a patient the next, previous alert"],
  ["a", "acknowledge; for one that is over: seen"],
  ["g", "I’m going: everybody sees that you have it"],
  ["t", "treated: look again after some minutes; it comes back if nobody does"],
  ["s", "shelve for 15 min, at once; why, and other minutes, can be chosen after it or beside the button"],
  ["n", "write a note"],
  ["o", "out of service: only high alerts of the patient call (ward)"],
  ["Enter", "open the patient"],
  ["u", "take back your last answer, within 5 s"],
  ["Esc", "close what is open on a card"],
  ["?", "this page"],
];
const CHART: Keys = [
  ["+ -", "shorter, longer range, 1 hour to 14 days"],
  ["← →", "earlier, later by a quarter of the range"],
  ["l", "live: follow now again"],
  ["Shift ← →", "on the chart: the reading before, after, said aloud"],
  ["← →", "on the alerts under the chart: the one before, after"],
];
const STATES: Keys = [
  ["hatched", "the value is old; its age stands in words. A hatched sign: nobody knows now whether it is still so"],
  ["--", "not known now, with what was known last"],
  ["LOW HIGH", "beyond the sensor’s range: it calls like a number"],
  ["acknowledged", "somebody has answered, until when stands beside it; it calls again if it is still so then"],
  ["unknown", "no data: nothing is cleared, and what nobody has answered goes on calling"],
  ["over, not seen", "it ended before anybody answered: it stays until somebody has seen it"],
  ["shelved", "put aside for some minutes, listed with a count; a worse alert comes through"],
  ["out of service", "only high alerts of this patient call; ends by itself"],
  ["TECH", "the device or the line, not the patient"],
  ["FEED LOST", "this screen gets no alerts: look at the patients"],
];
const MARKS: Keys = [
  ["grey band", "the target range of glucose"],
  ["pale area", "from the least to the greatest value of each step: no extreme is lost"],
  ["empty", "no data: nothing is drawn where nothing was measured"],
  ["dashed, ○", "came late: it was not there to call when it was measured"],
  ["▼ ▲", "LOW, HIGH: below, above the sensor’s range"],
  ["× ? –", "at the bottom: invalid reading, suspect clock, warm-up"],
  ["A G T N S", "acknowledged, going, treated, note, shelved"],
];

export function Help() {
  return (
    <section class="help-page" aria-labelledby="help-title">
      <h2 id="help-title">Help</h2>
      <p class="help-first">
        Vigil is not a medical device and not for primary alarming. It is a secondary notifier: the patient and the bedside
        monitor come first. There is no arrhythmia detection. An empty list is good news only while the data age is small and
        the proof of life is fresh.
      </p>
      <div class="help-columns">
        <Part title="Colours and signs">
          <ul class="help-signs">
            <li><PriorityMarker priority="high" /> flashes fast while nobody has answered: go now.</li>
            <li><PriorityMarker priority="medium" /> flashes slowly: go soon.</li>
            <li><PriorityMarker priority="low" /> steady: look when you can.</li>
            <li>Only an outline: somebody has answered. Grey is normal.</li>
          </ul>
        </Part>
        <Part title="Sound">
          <p>
            Ten, three and one pulses for high, medium and low; every 10 s, every 25 s, once. Enable it at the start of a shift: a
            test tone tells that it is heard. A pause holds at most 2 minutes, and a new high ends it. A lost feed has a tone of
            its own after 15 s.
          </p>
        </Part>
        <Part title="Keys: alerts"><List items={WARD} keys /></Part>
        <Part title="Keys: chart"><List items={CHART} keys /></Part>
        <Part title="States"><List items={STATES} /></Part>
        <Part title="Marks on a chart"><List items={MARKS} /></Part>
      </div>
      <p><a href="#/wall">Wall mode</a> · <span class="muted">{versions()}</span></p>
    </section>
  );
}

function Part({ title, children }: { title: string; children: ComponentChildren }) {
  const id = `help-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return (
    <section aria-labelledby={id}>
      <h3 id={id}>{title}</h3>
      {children}
    </section>
  );
}

function List({ items, keys = false }: { items: Keys; keys?: boolean }) {
  return (
    <dl class="help-list">
      {items.map(([name, what]) => (
        <div key={name + what}>
          <dt>{keys ? name.split(" ").map((each) => <kbd key={each}>{each}</kbd>) : name}</dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
  );
}
