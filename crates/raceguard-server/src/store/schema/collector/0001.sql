-- Which program evidence is from.
CREATE TABLE origin (
    id          INTEGER PRIMARY KEY,
    service     TEXT NOT NULL,
    version     TEXT NOT NULL,
    instance    TEXT NOT NULL,
    environment TEXT NOT NULL,
    UNIQUE (service, version, instance, environment)
) STRICT;

-- A sequence of records of one sender.
CREATE TABLE stream (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    -- When its first and last batch came, in milliseconds since the Unix epoch.
    first_ms    INTEGER NOT NULL,
    last_ms     INTEGER NOT NULL
) STRICT;

-- Which numbers of a stream were received.
CREATE TABLE received (
    stream      INTEGER NOT NULL REFERENCES stream,
    first       INTEGER NOT NULL,
    last        INTEGER NOT NULL,
    PRIMARY KEY (stream, first)
) STRICT, WITHOUT ROWID;

-- Records as they came, many in one block.
CREATE TABLE block (
    id          INTEGER PRIMARY KEY,
    stream      INTEGER NOT NULL REFERENCES stream,
    origin      INTEGER NOT NULL REFERENCES origin,
    received_ms INTEGER NOT NULL,
    records     INTEGER NOT NULL,
    -- Lines with a newline each, compressed with zstd.
    lines       BLOB NOT NULL
) STRICT;
CREATE INDEX block_by_time ON block (received_ms);

-- What was found, once for each fingerprint.
CREATE TABLE finding (
    id          INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    title       TEXT NOT NULL,
    first_ms    INTEGER NOT NULL,
    last_ms     INTEGER NOT NULL,
    occurrences INTEGER NOT NULL,
    -- The first record of it, as it came.
    exemplar    TEXT NOT NULL
) STRICT;
CREATE INDEX finding_by_last ON finding (last_ms);

-- How often it was seen in each hour since the Unix epoch, by origin.
CREATE TABLE sighting (
    finding     INTEGER NOT NULL REFERENCES finding,
    hour        INTEGER NOT NULL,
    origin      INTEGER NOT NULL REFERENCES origin,
    occurrences INTEGER NOT NULL,
    PRIMARY KEY (finding, hour, origin)
) STRICT, WITHOUT ROWID;
CREATE INDEX sighting_by_hour ON sighting (hour);

-- How a stream calls a race, for repeats.
CREATE TABLE race_name (
    stream      INTEGER NOT NULL REFERENCES stream,
    race        TEXT NOT NULL,
    finding     INTEGER NOT NULL REFERENCES finding,
    PRIMARY KEY (stream, race)
) STRICT, WITHOUT ROWID;

-- Repeats that came before their race: counted when it comes.
CREATE TABLE orphan (
    stream      INTEGER NOT NULL REFERENCES stream,
    race        TEXT NOT NULL,
    hour        INTEGER NOT NULL,
    origin      INTEGER NOT NULL REFERENCES origin,
    occurrences INTEGER NOT NULL,
    last_ms     INTEGER NOT NULL,
    PRIMARY KEY (stream, race, hour, origin)
) STRICT, WITHOUT ROWID;

-- Who may do what. The token itself is kept nowhere.
CREATE TABLE token (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    role        TEXT NOT NULL,
    hash        BLOB NOT NULL UNIQUE,
    created_ms  INTEGER NOT NULL,
    revoked_ms  INTEGER
) STRICT;

-- One row of totals, so that nothing has to be counted to answer.
CREATE TABLE total (
    id          INTEGER PRIMARY KEY CHECK (id = 0),
    records     INTEGER NOT NULL,
    duplicates  INTEGER NOT NULL,
    blocks      INTEGER NOT NULL
) STRICT;
INSERT INTO total VALUES (0, 0, 0, 0);
