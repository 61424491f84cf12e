/** Live regions: in the document before any text enters them. */
import { spokenLog, urgent } from "../state/announce";

export function LiveRegions() {
  return (
    <div class="unseen-by-eyes">
      <div role="alert" id="urgent">
        {urgent}
      </div>
      <div role="log" aria-label="Alerts and answers" id="said">
        {spokenLog.value.map((line) => (
          <p key={line.id}>{line.text}</p>
        ))}
      </div>
    </div>
  );
}
