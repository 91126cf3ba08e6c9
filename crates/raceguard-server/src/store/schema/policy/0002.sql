-- Transactions with evidence, in the order in which they were committed; kept for a day. The number is the count of all
-- records that had come by then: it grows under the lock of that count, so no smaller one comes after a greater one.
CREATE TABLE policy_commit (
    number      INTEGER NOT NULL PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    -- JSON, a list: [block, its records, [the findings that it was the first to show]].
    blocks      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX policy_commit_by_time ON policy_commit (at_ms, number);

-- Triggers in force, by the hash of what they say: up to where each was evaluated, and by whom.
DROP TABLE policy_trigger;
DROP TABLE policy_checkpoint;
CREATE TABLE policy_trigger (
    hash        TEXT NOT NULL PRIMARY KEY,
    -- Records up to there it does not count: they came before it was in force.
    since       INTEGER NOT NULL,
    -- Records up to there were evaluated, of which the last came at that time.
    number      INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    -- The evaluator that may write here; empty when none has begun.
    evaluator   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
