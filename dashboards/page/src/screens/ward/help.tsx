export function Help() { return <section aria-label="Help" />; }
