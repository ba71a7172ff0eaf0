-- How far the spans of a shard are sent to whoever collects traces. No row of the log, so a rebuild leaves it: what was
-- sent is not sent again.

CREATE TABLE spine.exports (
    shard integer PRIMARY KEY,
    -- Of which stream, as in spine.progress.
    incarnation text NOT NULL,
    position bigint NOT NULL
);
