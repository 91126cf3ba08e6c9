-- Who is logged in. What the browser holds is kept nowhere; a session ends with its token.
CREATE TABLE session (
    -- SHA-256 of what the browser holds.
    hash        BLOB NOT NULL PRIMARY KEY,
    -- SHA-256 of the token that it was opened with.
    token       BLOB NOT NULL,
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_end ON session (expires_ms);
