-- Root-cause bundles: what was known of a service when its error budget was exhausted.
CREATE TABLE slts_bundle (
    id          INTEGER PRIMARY KEY,
    -- `(fleet)` for all services together.
    service     TEXT NOT NULL,
    made_ms     INTEGER NOT NULL,
    -- Bytes of the page.
    size        INTEGER NOT NULL,
    -- One page of HTML that needs no other file, compressed with zstd.
    page        BLOB NOT NULL
) STRICT;
CREATE INDEX slts_bundle_by_time ON slts_bundle (made_ms);
