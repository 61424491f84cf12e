/** Nobody is signed in, or the server does not answer. */
import type { Sign } from "../state/session";
import { signIn } from "../state/session";

export function SignIn({ sign }: { sign: Sign }) {
  if (sign.phase === "starting") {
    return (
      <main class="signin">
        <h1>Vigil</h1>
        <p>Asking the server who you are.</p>
      </main>
    );
  }
  if (sign.phase === "unreachable") {
    return (
      <main class="signin">
        <h1>Vigil</h1>
        <p>
          <span class="loud">The server does not answer</span> {sign.why}. Trying again. Nothing is watched on this screen: look at the patients.
        </p>
      </main>
    );
  }
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const field = new FormData(event.target as HTMLFormElement).get("token");
    if (typeof field === "string" && field.trim()) void signIn(field);
  };
  return (
    <main class="signin">
      <h1>Vigil: sign in{sign.why ? " again" : ""}</h1>
      {sign.why ? <p role="status">{sign.why}</p> : null}
      <p>Open the link that you were given, or paste its token here. Nothing is watched on this screen until then.</p>
      <form onSubmit={submit} class="row">
        <label>
          Token <input class="field" name="token" type="password" autocomplete="off" required />
        </label>{" "}
        <button class="button" type="submit">
          Sign in
        </button>
      </form>
    </main>
  );
}
