export function Feed() {
  return <section aria-label="Feed"></section>;
}
