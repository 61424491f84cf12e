-- What the charts of patients read: roll-ups of readings, an index by patient, and what people set aside.

-- One stretch of one patient's metric, width seconds long, that begins at bucket (event time): merged by the sink in
-- the transaction that stores the readings, so it is always exactly what is stored. Values in the canonical unit.
-- Without a valid reading n is 0, min infinity, max and last -infinity. marks: vitals.rollups.
CREATE TABLE vigil.rollups (
    patient uuid NOT NULL,
    metric smallint NOT NULL,
    width smallint NOT NULL,
    bucket timestamptz NOT NULL,
    min double precision NOT NULL,
    max double precision NOT NULL,
    last double precision NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    n integer NOT NULL,
    marks smallint NOT NULL,
    PRIMARY KEY (patient, metric, width, bucket)
) WITH (fillfactor = 80);

INSERT INTO vigil.rollups (patient, metric, width, bucket, min, max, last, first_at, last_at, n, marks)
SELECT patient, metric, width, date_bin(make_interval(secs => width), e, timestamptz 'epoch') AS bucket,
    min(CASE WHEN valid THEN v ELSE 'infinity' END),
    max(CASE WHEN valid THEN v ELSE '-infinity' END),
    (array_agg(CASE WHEN valid THEN v ELSE '-infinity' END ORDER BY valid DESC, e DESC, v DESC))[1],
    min(CASE WHEN valid THEN e ELSE 'infinity' END),
    max(CASE WHEN valid THEN e ELSE '-infinity' END),
    count(*) FILTER (WHERE valid),
    bit_or(CASE WHEN flags & 96 <> 0 THEN 1 ELSE 0 END | CASE WHEN flags & 1 <> 0 THEN 2 ELSE 0 END
        | CASE WHEN flags & 2 <> 0 THEN 4 ELSE 0 END | CASE WHEN valid THEN 0 ELSE 8 END
        | CASE WHEN flags & 16 <> 0 THEN 16 ELSE 0 END | CASE WHEN flags & 128 <> 0 THEN 32 ELSE 0 END)
FROM (
    SELECT patient, metric, e, flags, flags >> 12 = 0 AS valid,
        CASE unit WHEN 3 THEN value * 18.0182 ELSE value END AS v
    FROM vigil.readings WHERE flags & 256 = 0
) AS r
CROSS JOIN (VALUES (60::smallint), (300::smallint)) AS w (width)
GROUP BY patient, metric, width, bucket;

CREATE INDEX readings_series ON vigil.readings (patient, metric, e);

CREATE INDEX alert_changes_patient ON vigil.alert_changes (patient, at);
CREATE INDEX alert_changes_order ON vigil.alert_changes (at, log, partition, v_offset, v_ordinal);
DROP INDEX vigil.alert_changes_at;

-- Every shelf and every time out of service, each time it began, changed or ended; at is when it began.
CREATE TABLE vigil.set_aside (
    log smallint NOT NULL,
    partition integer NOT NULL,
    v_offset bigint NOT NULL,
    v_ordinal integer NOT NULL,
    kind text NOT NULL,
    patient uuid,
    site integer NOT NULL,
    at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    ended boolean NOT NULL,
    by text NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (log, partition, v_offset, v_ordinal)
);
CREATE INDEX set_aside_patient ON vigil.set_aside (patient, kind, at);

-- The bed, and the whole control body (policy, bindings) where the registry wrote it.
ALTER TABLE vigil.patients ADD COLUMN bed text NOT NULL DEFAULT '';
ALTER TABLE vigil.patients ADD COLUMN control jsonb;
