-- Evidence in parts by the time it came, so that what is too old is dropped as a table instead of row by row.
CREATE TABLE block_by_day (
    id          BIGSERIAL,
    stream      BIGINT NOT NULL REFERENCES stream,
    origin      BIGINT NOT NULL REFERENCES origin,
    received_ms BIGINT NOT NULL,
    records     BIGINT NOT NULL,
    lines       BYTEA NOT NULL,
    PRIMARY KEY (id, received_ms)
) PARTITION BY RANGE (received_ms);
-- What no day was made for; it stays empty as long as days are made ahead.
CREATE TABLE block_other PARTITION OF block_by_day DEFAULT;
INSERT INTO block_by_day (stream, origin, received_ms, records, lines)
    SELECT stream, origin, received_ms, records, lines FROM block ORDER BY id;
DROP TABLE block;
ALTER TABLE block_by_day RENAME TO block;
ALTER TABLE block ALTER COLUMN lines SET STORAGE EXTERNAL;
CREATE INDEX block_by_time ON block (received_ms);
