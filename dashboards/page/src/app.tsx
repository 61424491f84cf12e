/** The page: who is signed in sees the screen that the address names. */
import { effect } from "@preact/signals";
import { Boundary } from "./parts/boundary";
import { LiveRegions } from "./parts/live";
import { Shell } from "./parts/shell";
import { SignIn } from "./parts/signin";
import { Feed } from "./screens/feed";
import { Help } from "./screens/help";
import { Operations } from "./screens/operations";
import { Patient } from "./screens/patient";
import { Ward } from "./screens/ward";
import { theme } from "./state/prefs";
import { route } from "./state/route";
import { session, sign } from "./state/session";

/** The chosen theme on the root; `auto` follows the system and is dark where that says nothing. */
export function startTheme(): void {
  const light = matchMedia("(prefers-color-scheme: light)");
  const apply = (): void => {
    const chosen = theme.peek();
    document.documentElement.dataset.theme = chosen === "auto" ? (light.matches ? "light" : "dark") : chosen;
  };
  light.addEventListener("change", apply);
  effect(() => {
    void theme.value;
    apply();
  });
}

/** A wall's token may see the ward and nothing else: that is no error of anybody's. */
function WardOnly() {
  return (
    <section class="empty" id="ward-only">
      <p>This screen only shows the ward.</p>
      <p>
        <a href="#/wall">To the ward</a>
      </p>
    </section>
  );
}

function Screen() {
  const { name, id, at } = route.value;
  if (session.value?.role === "wall" && (name === "patient" || name === "feed" || name === "operations")) return <WardOnly />;
  switch (name) {
    case "patient":
      return id ? <Patient key={id} id={id} at={at} /> : <Ward />;
    case "feed":
      return <Feed />;
    case "operations":
      return <Operations />;
    case "help":
      return <Help />;
    case "ward":
      return <Ward />;
  }
}

export function App() {
  return (
    <>
      <Boundary whole>
        {session.value ? (
          <Shell>
            <Boundary key={`${route.value.name} ${route.value.id}`}>
              <Screen />
            </Boundary>
          </Shell>
        ) : (
          <SignIn sign={sign.value} />
        )}
      </Boundary>
      <LiveRegions />
    </>
  );
}
