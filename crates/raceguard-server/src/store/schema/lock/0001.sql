-- Waiting for locks by service, call and window of five minutes since the Unix epoch.
CREATE TABLE lock_window (
    service     TEXT NOT NULL,
    win         INTEGER NOT NULL,
    lock_name   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    function    TEXT NOT NULL,
    file        TEXT NOT NULL,
    line        INTEGER NOT NULL,
    call_name   TEXT NOT NULL,
    source      TEXT NOT NULL,
    contentions INTEGER NOT NULL,
    total_ns    INTEGER NOT NULL,
    max_ns      INTEGER NOT NULL,
    PRIMARY KEY (service, win, function, line, call_name, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX lock_window_by_window ON lock_window (win);

-- What a profile that counts since the start of its process said last.
CREATE TABLE lock_last (
    service     TEXT NOT NULL,
    instance    TEXT NOT NULL,
    function    TEXT NOT NULL,
    line        INTEGER NOT NULL,
    call_name   TEXT NOT NULL,
    source      TEXT NOT NULL,
    contentions INTEGER NOT NULL,
    total_ns    INTEGER NOT NULL,
    PRIMARY KEY (service, instance, function, line, call_name, source)
) STRICT, WITHOUT ROWID;
