-- What the sink stores. All of it is a fold of the log: dropping the schema and letting the sink read again gives it back.
-- Times are device or server times as the log has them, in UTC; values keep the unit in which they were received.

CREATE SCHEMA IF NOT EXISTS vigil;

-- timescaledb: begin
CREATE EXTENSION IF NOT EXISTS timescaledb;
-- timescaledb: end

-- A Kafka cluster's log. Offsets of different clusters cannot be compared, so what has a version says whose it is.
CREATE TABLE vigil.logs (
    id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster text NOT NULL UNIQUE
);

-- The offset of the next record of each partition, moved in the transaction that stores what came before it.
-- The counters are of the whole partition up to the position.
CREATE TABLE vigil.sink_positions (
    cluster text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    stored bigint NOT NULL DEFAULT 0,
    duplicates bigint NOT NULL DEFAULT 0,
    conflicts bigint NOT NULL DEFAULT 0,
    broken bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (cluster, topic, partition)
);

-- One row per reading; the first in the log under an identity wins. flags: vitals.readings.Flag, upper 4 bits Invalid.
-- e is the event time: observed_at, or received_at where the device's clock is suspect.
CREATE TABLE vigil.readings (
    patient uuid NOT NULL,
    device uuid NOT NULL,
    metric smallint NOT NULL,
    observed_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    value double precision NOT NULL,
    unit smallint NOT NULL,
    flags integer NOT NULL,
    seq integer NOT NULL,
    site integer NOT NULL,
    e timestamptz NOT NULL,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL
);

-- Latest result of each window; a later version replaces an earlier one. NULL is "unknown", never 0.
CREATE TABLE vigil.windows (
    patient uuid NOT NULL,
    metric smallint NOT NULL,
    win smallint NOT NULL,
    win_end timestamptz NOT NULL,
    win_start timestamptz NOT NULL,
    log smallint NOT NULL,
    v_offset bigint NOT NULL,
    v_ordinal integer NOT NULL,
    count bigint NOT NULL,
    coverage real,
    mean double precision,
    sd double precision,
    min double precision,
    max double precision,
    slope double precision,
    arrow smallint,
    flags smallint NOT NULL
);

-- timescaledb: begin
SELECT create_hypertable('vigil.readings', by_range('observed_at', INTERVAL '7 days'), create_default_indexes => false);
SELECT create_hypertable('vigil.windows', by_range('win_end', INTERVAL '7 days'), create_default_indexes => false);
-- timescaledb: end

-- plain: begin
-- TimescaleDB's function of the same name and, for widths below a month, the same origin (a Monday).
CREATE OR REPLACE FUNCTION public.time_bucket(bucket_width interval, ts timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN date_bin(bucket_width, ts, timestamptz '2000-01-03 00:00:00+00');
-- plain: end

CREATE UNIQUE INDEX readings_identity ON vigil.readings (device, metric, observed_at);
CREATE UNIQUE INDEX windows_identity ON vigil.windows (patient, metric, win, win_end);

-- Every change of every alert, once.
CREATE TABLE vigil.alert_changes (
    log smallint NOT NULL,
    partition integer NOT NULL,
    v_offset bigint NOT NULL,
    v_ordinal integer NOT NULL,
    alert uuid NOT NULL,
    change text NOT NULL,
    at timestamptz NOT NULL,
    announced boolean NOT NULL,
    patient uuid,
    site integer NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (log, partition, v_offset, v_ordinal)
);
CREATE INDEX alert_changes_alert ON vigil.alert_changes (alert, at);
CREATE INDEX alert_changes_at ON vigil.alert_changes (at);

-- The latest version of every alert, whole in body.
CREATE TABLE vigil.alerts (
    id uuid PRIMARY KEY,
    log smallint NOT NULL,
    v_offset bigint NOT NULL,
    v_ordinal integer NOT NULL,
    patient uuid,
    label text NOT NULL,
    site integer NOT NULL,
    metric text,
    rule text NOT NULL,
    category text NOT NULL,
    level integer NOT NULL,
    priority text NOT NULL,
    condition text NOT NULL,
    response text NOT NULL,
    opened_at timestamptz NOT NULL,
    announced_at timestamptz NOT NULL,
    closed boolean NOT NULL,
    body jsonb NOT NULL
);
CREATE INDEX alerts_open ON vigil.alerts (priority, opened_at) WHERE NOT closed;
CREATE INDEX alerts_patient ON vigil.alerts (patient, opened_at);

-- What could not be taken as a reading, with its bytes and its reason. source is set for what the sink itself
-- rejects: "topic/partition/offset/row", so that a repeat after a crash is stored once.
CREATE TABLE vigil.rejected (
    log smallint NOT NULL,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    received_at timestamptz,
    device text,
    topic text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    length bigint,
    digest text,
    payload bytea NOT NULL,
    source text,
    PRIMARY KEY (log, log_partition, log_offset),
    UNIQUE (log, source)
);
CREATE INDEX rejected_reason ON vigil.rejected (reason, received_at);

CREATE TABLE vigil.sites (
    number integer PRIMARY KEY,
    name text NOT NULL,
    log smallint NOT NULL,
    v_offset bigint NOT NULL
);

CREATE TABLE vigil.devices (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    type text NOT NULL,
    site integer NOT NULL,
    body jsonb NOT NULL,
    log smallint NOT NULL,
    v_offset bigint NOT NULL
);

CREATE TABLE vigil.patients (
    id uuid PRIMARY KEY,
    label text NOT NULL,
    site integer NOT NULL,
    log smallint NOT NULL,
    v_offset bigint NOT NULL
);
