-- Requests by service, operation and window of five minutes since the Unix epoch, and those that were affected.
CREATE TABLE slts_window (
    service     TEXT NOT NULL,
    win         INTEGER NOT NULL,
    operation   TEXT NOT NULL,
    requests    INTEGER NOT NULL,
    affected    INTEGER NOT NULL,
    PRIMARY KEY (service, win, operation)
) STRICT, WITHOUT ROWID;
CREATE INDEX slts_window_by_window ON slts_window (win);

-- Requests whose trace may still turn out to be affected.
CREATE TABLE slts_request (
    service     TEXT NOT NULL,
    trace       TEXT NOT NULL,
    span        TEXT NOT NULL,
    win         INTEGER NOT NULL,
    operation   TEXT NOT NULL,
    affected    INTEGER NOT NULL,
    PRIMARY KEY (service, trace, span)
) STRICT, WITHOUT ROWID;
CREATE INDEX slts_request_by_window ON slts_request (win);

-- Traces of which a span was affected, for requests that are still to come.
CREATE TABLE slts_touched (
    service     TEXT NOT NULL,
    trace       TEXT NOT NULL,
    win         INTEGER NOT NULL,
    PRIMARY KEY (service, trace)
) STRICT, WITHOUT ROWID;
CREATE INDEX slts_touched_by_window ON slts_touched (win);

-- Spans that came too late to be counted, by service.
CREATE TABLE slts_late (
    service     TEXT NOT NULL PRIMARY KEY,
    spans       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
