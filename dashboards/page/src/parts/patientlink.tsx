/** A patient's name that opens the patient; plain for who may not: a link that leads nowhere promises something. */
import type { ComponentChildren } from "preact";
import { hrefPatient } from "../state/route";
import { mayOpenPatients } from "../state/session";

export function PatientLink({ patient, style, children }: { patient: string; style?: string; children: ComponentChildren }) {
  if (!mayOpenPatients.value) return <span class={style}>{children}</span>;
  return (
    <a class={style} href={hrefPatient(patient)}>
      {children}
    </a>
  );
}
