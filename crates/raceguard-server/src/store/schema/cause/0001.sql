-- In which stream a finding was seen first: its run tells the module and the build.
CREATE TABLE finding_stream (
    finding     INTEGER NOT NULL PRIMARY KEY REFERENCES finding ON DELETE CASCADE,
    stream      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Findings that have no root cause yet.
CREATE TABLE undiagnosed (
    finding     INTEGER NOT NULL PRIMARY KEY REFERENCES finding ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- The record of a stream's run, as it came.
CREATE TABLE run_fact (
    stream      INTEGER NOT NULL PRIMARY KEY,
    record      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Builds that ran under the detector.
CREATE TABLE detector (
    service     TEXT NOT NULL,
    version     TEXT NOT NULL,
    mode        TEXT NOT NULL,
    last_ms     INTEGER NOT NULL,
    PRIMARY KEY (service, version, mode)
) STRICT, WITHOUT ROWID;

-- What a finding can share with another one of the same cause: functions and packages.
CREATE TABLE finding_key (
    key         TEXT NOT NULL,
    finding     INTEGER NOT NULL REFERENCES finding ON DELETE CASCADE,
    PRIMARY KEY (key, finding)
) STRICT, WITHOUT ROWID;

-- Code that a race or crash ran through: a function where the line is 0, else a file.
CREATE TABLE finding_code (
    finding     INTEGER NOT NULL REFERENCES finding ON DELETE CASCADE,
    place       TEXT NOT NULL,
    line        INTEGER NOT NULL,
    PRIMARY KEY (finding, place, line)
) STRICT, WITHOUT ROWID;

-- Why findings happen, once for all that share it.
CREATE TABLE cause (
    id          INTEGER PRIMARY KEY,
    -- As raceguard explain names it.
    name        TEXT NOT NULL,
    title       TEXT NOT NULL,
    class       TEXT NOT NULL,
    trap        TEXT,
    severity    TEXT NOT NULL,
    confidence  REAL NOT NULL,
    score       REAL NOT NULL,
    variable    TEXT NOT NULL,
    -- open, acknowledged, fixed, regressed.
    state       TEXT NOT NULL,
    fixed_in    TEXT NOT NULL,
    note        TEXT NOT NULL,
    changed_by  TEXT NOT NULL,
    changed_ms  INTEGER NOT NULL,
    first_ms    INTEGER NOT NULL,
    last_ms     INTEGER NOT NULL,
    -- Races and crashes; a static finding does not happen.
    occurrences INTEGER NOT NULL,
    -- The cause that took over its findings when both turned out to be one.
    merged_into INTEGER
) STRICT;
CREATE INDEX cause_by_last ON cause (last_ms);

-- What the diagnosis says, as JSON.
CREATE TABLE cause_diagnosis (
    cause       INTEGER NOT NULL PRIMARY KEY,
    diagnosed_ms INTEGER NOT NULL,
    cluster     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE finding_cause (
    finding     INTEGER NOT NULL PRIMARY KEY REFERENCES finding ON DELETE CASCADE,
    cause       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX finding_cause_by_cause ON finding_cause (cause);

-- In which services a cause was seen.
CREATE TABLE cause_service (
    cause       INTEGER NOT NULL,
    service     TEXT NOT NULL,
    first_ms    INTEGER NOT NULL,
    last_ms     INTEGER NOT NULL,
    occurrences INTEGER NOT NULL,
    PRIMARY KEY (cause, service)
) STRICT, WITHOUT ROWID;
CREATE INDEX cause_service_by_service ON cause_service (service);

-- Who changed a cause's state when, and why.
CREATE TABLE cause_change (
    id          INTEGER PRIMARY KEY,
    cause       INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    state       TEXT NOT NULL,
    fixed_in    TEXT NOT NULL,
    note        TEXT NOT NULL,
    changed_by  TEXT NOT NULL
) STRICT;
CREATE INDEX cause_change_by_cause ON cause_change (cause);

-- Where a finding was seen: first, last, how often.
CREATE TABLE appearance (
    finding     INTEGER NOT NULL REFERENCES finding ON DELETE CASCADE,
    origin      INTEGER NOT NULL,
    first_ms    INTEGER NOT NULL,
    last_ms     INTEGER NOT NULL,
    occurrences INTEGER NOT NULL,
    PRIMARY KEY (finding, origin)
) STRICT, WITHOUT ROWID;

-- How often a finding was seen in each minute since the Unix epoch; of the last hours only.
CREATE TABLE recent (
    minute      INTEGER NOT NULL,
    finding     INTEGER NOT NULL REFERENCES finding ON DELETE CASCADE,
    occurrences INTEGER NOT NULL,
    PRIMARY KEY (minute, finding)
) STRICT, WITHOUT ROWID;

-- One row: how often causes were assigned, so that nobody assigns by what was read before somebody else did.
CREATE TABLE assignment (
    id          INTEGER PRIMARY KEY CHECK (id = 0),
    number      INTEGER NOT NULL
) STRICT;
INSERT INTO assignment VALUES (0, 0);

-- What a database of before has.
INSERT INTO undiagnosed (finding) SELECT id FROM finding;
INSERT INTO appearance (finding, origin, first_ms, last_ms, occurrences)
    SELECT finding, origin, min(hour) * 3600000, max(hour) * 3600000, CAST(sum(occurrences) AS BIGINT)
    FROM sighting GROUP BY finding, origin;
