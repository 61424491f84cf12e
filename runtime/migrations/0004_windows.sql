-- What windows say beside mean and spread, and which of them are to be computed again from stored readings.

-- The median and the slope after Theil and Sen, NULL where unknown or not of this kind of window; gap is the longest
-- stretch without a reading, in s, NULL in rows from before.
ALTER TABLE vigil.windows ADD COLUMN median double precision;
ALTER TABLE vigil.windows ADD COLUMN theil_sen double precision;
ALTER TABLE vigil.windows ADD COLUMN gap integer;

-- Dirty marks of vitals.windows that are not worked off: the windows of one kind of one patient whose ends lie from
-- next_end to last_end. They count at the mark's version; the sink takes away what it has computed. interval_us, below,
-- above and scheme are of the device worn.
CREATE TABLE vigil.dirty_windows (
    log smallint NOT NULL,
    partition integer NOT NULL,
    v_offset bigint NOT NULL,
    v_ordinal integer NOT NULL,
    patient uuid NOT NULL,
    metric smallint NOT NULL,
    win smallint NOT NULL,
    first_end timestamptz NOT NULL,
    last_end timestamptz NOT NULL,
    next_end timestamptz NOT NULL,
    interval_us bigint NOT NULL,
    below double precision NOT NULL,
    above double precision NOT NULL,
    scheme smallint NOT NULL,
    PRIMARY KEY (log, partition, v_offset, v_ordinal, win, first_end)
);
