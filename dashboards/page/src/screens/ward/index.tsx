export function Ward() { return <section aria-label="Ward" />; }
