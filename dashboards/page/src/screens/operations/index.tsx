export function Operations() {
  return <section aria-label="Operations"></section>;
}
