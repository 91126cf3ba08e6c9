-- Until when a token holds, and when it was used last, in milliseconds since the Unix epoch.
ALTER TABLE token ADD COLUMN expires_ms INTEGER;
ALTER TABLE token ADD COLUMN last_used_ms INTEGER;

-- What administrators did, each entry with the hash of the one before: see audit.rs.
CREATE TABLE audit (
    id          INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    actor       TEXT NOT NULL,
    act         TEXT NOT NULL,
    subject     TEXT NOT NULL,
    detail      TEXT NOT NULL,
    hash        BLOB NOT NULL
) STRICT;
