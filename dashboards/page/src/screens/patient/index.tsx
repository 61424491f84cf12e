export function Patient({ id }: { id: string; at: number | null }) {
  return <section aria-label="Patient">{id}</section>;
}
