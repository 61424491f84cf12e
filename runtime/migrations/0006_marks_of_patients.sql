-- A record of vitals.windows holds the marks of many patients, so the patient tells one of a version from another.
ALTER TABLE vigil.dirty_windows
    DROP CONSTRAINT dirty_windows_pkey,
    ADD PRIMARY KEY (log, partition, v_offset, v_ordinal, patient, win, first_end);
