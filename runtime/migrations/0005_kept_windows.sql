-- Windows that say nothing new are not kept. The table is copied: what stays is a quarter of what there was.

-- The kinds of windows (vitals.windows): one covers (win_end - width, win_end]. The processor closes one every step; the
-- database keeps those whose end is a whole multiple of kept, NULL: none. A sink that is told to keeps all of them.
CREATE TABLE vigil.window_kinds (
    win smallint PRIMARY KEY,
    name text NOT NULL,
    metric smallint NOT NULL,
    width interval NOT NULL,
    step interval NOT NULL,
    kept interval
);
INSERT INTO vigil.window_kinds (win, name, metric, width, step, kept) VALUES
    (1, 'heart_rate 1 min', 1, '1 min', '10 s', '1 min'),
    (2, 'glucose 15 min', 2, '15 min', '5 min', '5 min'),
    (3, 'heart_rate 10 s', 1, '10 s', '10 s', NULL),
    (4, 'heart_rate 5 min', 1, '5 min', '1 min', '1 min'),
    (5, 'heart_rate 10 min', 1, '10 min', '1 min', '1 min'),
    (6, 'glucose 5 min', 2, '5 min', '5 min', '5 min'),
    (7, 'glucose 1 h', 2, '1 h', '5 min', '5 min');

ALTER TABLE vigil.windows RENAME TO windows_before;
ALTER INDEX vigil.windows_identity RENAME TO windows_before_identity;

-- Columns lie by their width, so that none is padded. The last two are what nobody reads (where a window begins follows
-- from its kind, the flags of a result are 0): only a sink of the version before still writes them.
CREATE TABLE vigil.windows (
    win_end timestamptz NOT NULL,
    v_offset bigint NOT NULL,
    mean double precision,
    sd double precision,
    min double precision,
    max double precision,
    slope double precision,
    median double precision,
    theil_sen double precision,
    patient uuid NOT NULL,
    count bigint NOT NULL,
    v_ordinal integer NOT NULL,
    gap integer,
    coverage real,
    metric smallint NOT NULL,
    win smallint NOT NULL,
    log smallint NOT NULL,
    arrow smallint,
    win_start timestamptz,
    flags smallint
);

-- timescaledb: begin
SELECT create_hypertable('vigil.windows', by_range('win_end', INTERVAL '7 days'), create_default_indexes => false);
-- timescaledb: end

INSERT INTO vigil.windows (win_end, v_offset, mean, sd, min, max, slope, median, theil_sen, patient, count, v_ordinal,
    gap, coverage, metric, win, log, arrow)
SELECT win_end, v_offset, mean, sd, min, max, slope, median, theil_sen, patient, count, v_ordinal, gap,
    coverage, w.metric, win, log, arrow
FROM vigil.windows_before AS w JOIN vigil.window_kinds AS k USING (win)
WHERE win_end = date_bin(kept, win_end, timestamptz 'epoch');

DROP TABLE vigil.windows_before;
CREATE UNIQUE INDEX windows_identity ON vigil.windows (patient, metric, win, win_end);
