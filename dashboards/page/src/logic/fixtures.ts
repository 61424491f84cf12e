/** Alerts and vital signs for the unit tests. */
import type { Alert } from "./alerts";
import type { Vital } from "./live";
import { MINUTE, SECOND } from "./times";

/** 27 November 2023, 23:00 UTC. */
export const NOW = Date.UTC(2023, 10, 27, 23, 0) * 1000;

let serial = 0;

/** A low of level 2 since a minute, unacknowledged, of a patient of its own. */
export function alert(changed: Partial<Alert> = {}): Alert {
  serial += 1;
  return {
    kind: "alert",
    id: `alert-${String(serial).padStart(4, "0")}`,
    version: [serial, 0],
    change: "open",
    at: NOW,
    announced: true,
    patient: `patient-${serial}`,
    label: `P-${serial}`,
    site: 1,
    device: "dev",
    metric: "glucose",
    rule: "low",
    category: "physiological",
    level: 2,
    priority: "high",
    condition: "active",
    value: 48,
    value_at: NOW - 20 * SECOND,
    unit: "mg/dL",
    limit: 54,
    censored: null,
    reason: "",
    since: NOW - MINUTE,
    opened_at: NOW - MINUTE,
    policy: 1,
    risen: [serial, 0],
    announced_at: NOW - MINUTE,
    announcements: 1,
    response: "unacknowledged",
    acknowledged_by: null,
    acknowledged_until: null,
    acknowledged_reason: "",
    shelf: null,
    shelved_by: null,
    shelved_until: null,
    shelved_reason: "",
    owner: null,
    owner_at: null,
    treated_at: null,
    recheck_at: null,
    unanswered_since: NOW - MINUTE,
    escalation: 0,
    repeat_at: NOW + 4 * MINUTE,
    lead_at: NOW + 2 * MINUTE,
    all_at: NOW + 5 * MINUTE,
    next_at: NOW + 2 * MINUTE,
    delivered: 0,
    delivered_at: null,
    undelivered: false,
    seen_by: [],
    unseen: false,
    notes: [],
    closed: false,
    evidence: null,
    ...changed,
  };
}

/** Glucose of 120 mg/dL, 20 s old, each minute. */
export function vital(changed: Partial<Vital> = {}): Vital {
  return {
    value: 120,
    unit: "mg/dL",
    at: NOW - 20 * SECOND,
    received_at: NOW - 20 * SECOND,
    state: "ok",
    interval_us: MINUTE,
    stale_after_us: 11 * MINUTE,
    arrow: 0,
    slope: 0.2,
    last_good: null,
    limits: null,
    news2_pulse: null,
    ...changed,
  };
}
