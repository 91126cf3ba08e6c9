-- A state of the whole set of policies.
CREATE TABLE policy_revision (
    number      INTEGER PRIMARY KEY,
    -- Name of the token, or author of the commit.
    author      TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    -- Of all names and texts.
    sha256      TEXT NOT NULL,
    message     TEXT NOT NULL,
    -- `api`, `git` or `rollback`.
    source      TEXT NOT NULL,
    -- Of git's commit, else empty.
    commit_hash TEXT NOT NULL,
    -- Unified, against the revision before.
    diff        TEXT NOT NULL
) STRICT;

-- The texts of a revision.
CREATE TABLE policy_text (
    revision    INTEGER NOT NULL REFERENCES policy_revision,
    name        TEXT NOT NULL,
    text        TEXT NOT NULL,
    PRIMARY KEY (revision, name)
) STRICT, WITHOUT ROWID;

-- Which revisions are in force; one row.
CREATE TABLE policy_in_force (
    id          INTEGER PRIMARY KEY CHECK (id = 0),
    -- 0 before the first one.
    stable      INTEGER NOT NULL,
    -- Under trial on a share of services, or on those that are named.
    canary      INTEGER,
    share       REAL NOT NULL,
    -- JSON, a list of names.
    services    TEXT NOT NULL,
    -- One more with each change.
    generation  INTEGER NOT NULL,
    changed_ms  INTEGER NOT NULL
) STRICT;
INSERT INTO policy_in_force VALUES (0, 0, NULL, 0, '[]', 0, 0);

-- Triggers in force, by the hash of what they say, and the last block that they do not count.
CREATE TABLE policy_trigger (
    hash        TEXT NOT NULL PRIMARY KEY,
    since_block INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Up to where the stream was evaluated; the last row counts, earlier ones say where windows begin.
CREATE TABLE policy_checkpoint (
    block       INTEGER NOT NULL PRIMARY KEY,
    -- The newest finding up to there: greater ones were new afterwards.
    finding     INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A trigger fired.
CREATE TABLE policy_firing (
    id          INTEGER PRIMARY KEY,
    revision    INTEGER NOT NULL,
    trigger_id  TEXT NOT NULL,
    hash        TEXT NOT NULL,
    -- JSON: a value for each label of the group.
    labels      TEXT NOT NULL,
    count       INTEGER NOT NULL,
    finding     INTEGER NOT NULL,
    title       TEXT NOT NULL,
    service     TEXT NOT NULL,
    fired_ms    INTEGER NOT NULL,
    -- End of the cool-down.
    until_ms    INTEGER NOT NULL,
    -- When its alert was told to be over.
    over_ms     INTEGER,
    UNIQUE (hash, labels, fired_ms)
) STRICT;
CREATE INDEX policy_firing_by_end ON policy_firing (until_ms);

-- What is still to be sent because of a firing, and what was.
CREATE TABLE policy_delivery (
    id          INTEGER PRIMARY KEY,
    firing      INTEGER NOT NULL REFERENCES policy_firing,
    -- `alert` or `webhook`.
    kind        TEXT NOT NULL,
    -- Address of a webhook, priority of an alert.
    target      TEXT NOT NULL,
    -- JSON.
    body        TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    next_ms     INTEGER NOT NULL,
    done_ms     INTEGER,
    error       TEXT NOT NULL
) STRICT;
CREATE INDEX policy_delivery_open ON policy_delivery (done_ms, next_ms);

-- Drafts of tickets.
CREATE TABLE policy_ticket (
    id          INTEGER PRIMARY KEY,
    firing      INTEGER NOT NULL REFERENCES policy_firing,
    title       TEXT NOT NULL,
    -- Markdown.
    body        TEXT NOT NULL,
    -- JSON, a list.
    labels      TEXT NOT NULL,
    assignee    TEXT NOT NULL,
    created_ms  INTEGER NOT NULL
) STRICT;

-- Builds that gates hold up.
CREATE TABLE policy_blocked_build (
    service     TEXT NOT NULL,
    version     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    -- Who or what blocked it.
    blocked_by  TEXT NOT NULL,
    blocked_ms  INTEGER NOT NULL,
    PRIMARY KEY (service, version)
) STRICT, WITHOUT ROWID;

-- Tests and instances that are set aside for a while.
CREATE TABLE policy_quarantine (
    -- `test` or `instance`.
    kind        TEXT NOT NULL,
    service     TEXT NOT NULL,
    name        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    set_by      TEXT NOT NULL,
    set_ms      INTEGER NOT NULL,
    until_ms    INTEGER NOT NULL,
    PRIMARY KEY (kind, service, name)
) STRICT, WITHOUT ROWID;

-- Raised sampling rates.
CREATE TABLE policy_sampling (
    service     TEXT NOT NULL,
    -- Empty for all.
    environment TEXT NOT NULL,
    rate        REAL NOT NULL,
    max_overhead REAL NOT NULL,
    set_by      TEXT NOT NULL,
    set_ms      INTEGER NOT NULL,
    until_ms    INTEGER NOT NULL,
    PRIMARY KEY (service, environment)
) STRICT, WITHOUT ROWID;

-- What became of the last commit of the watched folder; one row for each branch.
CREATE TABLE policy_git (
    branch      TEXT NOT NULL PRIMARY KEY,
    commit_hash TEXT NOT NULL,
    -- Empty when it came into force.
    error       TEXT NOT NULL,
    at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
