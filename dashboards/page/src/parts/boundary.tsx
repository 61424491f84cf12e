/** Where drawing fails: the page says that it watches nothing, instead of going blank or standing still. */
import { signal } from "@preact/signals";
import { Component, type ComponentChildren } from "preact";

/** Something is not drawn any more: whatever it showed is before nobody's eyes. */
export const broken = signal(false);

interface Props {
  /** The whole page, or the screen within it: bars and sound go on then. */
  whole?: boolean;
  children: ComponentChildren;
}

export class Boundary extends Component<Props, { failed: boolean }> {
  override state = { failed: false };

  static override getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidCatch(error: unknown): void {
    broken.value = true;
    console.error(error);
  }

  override componentWillUnmount(): void {
    if (this.state.failed) broken.value = false;
  }

  override render({ whole = false, children }: Props) {
    if (!this.state.failed) return children;
    return (
      <section class="broken" id="broken" role="alert">
        <h2>This screen watches nothing</h2>
        <p>
          It could not be drawn, and shows no alert. <b>Look at the patients</b>, and reload it.
          {whole ? "" : " The bars above and the sound go on."}
        </p>
        <p class="row">
          <button class="button" type="button" onClick={() => location.reload()}>
            Reload
          </button>
          {whole ? null : (
            <a class="button" href="#/">
              To the ward
            </a>
          )}
        </p>
      </section>
    );
  }
}
