-- What history tells beside alerts: when a shelf or a time out of service began or ended, and which limits held when.

ALTER TABLE vigil.set_aside
    ADD COLUMN changed_at timestamptz NOT NULL GENERATED ALWAYS AS (CASE WHEN ended THEN until ELSE at END) STORED;
CREATE INDEX set_aside_order ON vigil.set_aside (changed_at, log, partition, v_offset, v_ordinal);
CREATE INDEX set_aside_changed ON vigil.set_aside (patient, changed_at);

-- Every policy that was ever in force for a patient, from its record in the log of readings on; from_at is the time
-- there. The same version written again is no new row.
CREATE TABLE vigil.policies (
    patient uuid NOT NULL,
    log smallint NOT NULL,
    version integer NOT NULL,
    partition integer NOT NULL,
    v_offset bigint NOT NULL,
    from_at timestamptz NOT NULL,
    policy jsonb NOT NULL,
    PRIMARY KEY (patient, log, version)
);

-- Of a database from before, the policy that it knows is all that it knows: since ever.
INSERT INTO vigil.policies (patient, log, version, partition, v_offset, from_at, policy)
SELECT id, log, (control -> 'policy' ->> 'version')::integer, 0, 0, timestamptz 'epoch', control -> 'policy'
FROM vigil.patients WHERE control IS NOT NULL;
