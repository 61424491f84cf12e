/** Who is signed in at this station, and the way out. On the wall only the name: who passes by must not end its watch. */
import { wallMode } from "../state/route";
import { session, signOut } from "../state/session";

const ROLES = { clinician: "clinician", ops: "operations", wall: "wall screen" } as const;

export function WhoAmI() {
  const who = session.value;
  if (!who) return null;
  return (
    <span class="whoami" id="whoami">
      {who.simulatedPatients ? <span id="simulated-patients">Simulated patients, nobody is ill · </span> : null}
      signed in: <b>
        <bdi>{who.name}</bdi>
      </b>
      , {ROLES[who.role]}
      {who.lead ? ", lead" : ""}{" "}
      {wallMode.value ? null : (
        <button class="link" type="button" onClick={() => signOut("")}>
          sign out
        </button>
      )}
    </span>
  );
}
