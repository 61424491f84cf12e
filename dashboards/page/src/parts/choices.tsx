/** What a station chooses for itself: theme and glucose unit. */
import { glucoseUnit, theme, type Theme } from "../state/prefs";

const NEXT_THEME: Readonly<Record<Theme, Theme>> = { auto: "dark", dark: "light", light: "auto" };

export function Choices() {
  return (
    <span class="choices">
      <button class="link" type="button" title="Dark, light, or as the system says" onClick={() => (theme.value = NEXT_THEME[theme.value])}>
        theme: {theme}
      </button>
      <button
        class="link"
        type="button"
        title="Unit of glucose"
        onClick={() => (glucoseUnit.value = glucoseUnit.value === "mg/dL" ? "mmol/L" : "mg/dL")}
      >
        {glucoseUnit}
      </button>
    </span>
  );
}
