-- What somebody has to look at. Of one key at most one is open.
CREATE TABLE alert (
    id              INTEGER PRIMARY KEY,
    -- What makes it the same alert when it fires again.
    name            TEXT NOT NULL,
    -- 1 is the worst.
    severity        INTEGER NOT NULL,
    title           TEXT NOT NULL,
    body            TEXT NOT NULL,
    -- A JSON object of texts.
    labels          TEXT NOT NULL,
    -- A path on this server.
    link            TEXT NOT NULL,
    fired_ms        INTEGER NOT NULL,
    last_ms         INTEGER NOT NULL,
    firings         INTEGER NOT NULL,
    resolved_ms     INTEGER,
    acknowledged_ms INTEGER,
    acknowledged_by TEXT
) STRICT;
CREATE UNIQUE INDEX alert_open ON alert (name) WHERE resolved_ms IS NULL;
CREATE INDEX alert_by_last ON alert (last_ms);

-- Alerts with these labels are shown but not sent.
CREATE TABLE silence (
    id              INTEGER PRIMARY KEY,
    -- A JSON object of texts: each of these labels has this value.
    labels          TEXT NOT NULL,
    reason          TEXT NOT NULL,
    author          TEXT NOT NULL,
    starts_ms       INTEGER NOT NULL,
    ends_ms         INTEGER NOT NULL
) STRICT;

-- Where alerts are sent. The settings are a JSON object and hold secrets.
CREATE TABLE receiver (
    name            TEXT NOT NULL PRIMARY KEY,
    settings        TEXT NOT NULL
) STRICT;

-- What a receiver was told last of a group of alerts.
CREATE TABLE alert_group (
    receiver        TEXT NOT NULL,
    labels          TEXT NOT NULL,
    sequence        INTEGER NOT NULL,
    told_ms         INTEGER NOT NULL,
    PRIMARY KEY (receiver, labels)
) STRICT, WITHOUT ROWID;

-- Receivers that were told that an alert fires, and not yet that it is over.
CREATE TABLE alert_told (
    receiver        TEXT NOT NULL,
    alert           INTEGER NOT NULL REFERENCES alert,
    PRIMARY KEY (receiver, alert)
) STRICT, WITHOUT ROWID;

-- A message to a receiver.
CREATE TABLE delivery (
    id              INTEGER PRIMARY KEY,
    receiver        TEXT NOT NULL,
    group_labels    TEXT NOT NULL,
    sequence        INTEGER NOT NULL,
    -- JSON: what is told.
    notice          TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    -- When it is tried next; whoever tries it moves it on first.
    due_ms          INTEGER NOT NULL,
    -- When it arrived, or was given up.
    sent_ms         INTEGER,
    given_up_ms     INTEGER,
    last_error      TEXT,
    UNIQUE (receiver, group_labels, sequence)
) STRICT;
CREATE INDEX delivery_due ON delivery (due_ms) WHERE sent_ms IS NULL AND given_up_ms IS NULL;
