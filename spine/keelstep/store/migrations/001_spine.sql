-- What the projector has read. One row per stored message, its bytes exactly as the stream holds them: they are hashed
-- and signed as they are. They may hold small payloads inline, so readers of the views have no right on this schema.

CREATE SCHEMA spine;

CREATE TABLE spine.progress (
    shard integer PRIMARY KEY,
    stream text NOT NULL,
    -- When the stream was created: another value is another stream, and every row of the shard is of this one.
    incarnation text NOT NULL,
    -- The stream sequence up to which everything is in the tables, and the SHA-256 of the message there.
    position bigint NOT NULL,
    digest text NOT NULL
);

CREATE TABLE spine.messages (
    shard integer NOT NULL,
    position bigint NOT NULL,
    tenant text NOT NULL,
    execution text NOT NULL,
    writer text NOT NULL,
    signature text NOT NULL,
    -- The broker's clock, nanoseconds since 1970: a timestamp would cut it to microseconds.
    stored_at_nanoseconds bigint NOT NULL,
    payload bytea NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('event', 'void', 'undecidable')),
    -- Why it is void, or what this program does not know.
    reason text,
    type text,
    seq integer,
    PRIMARY KEY (shard, position)
);

CREATE INDEX messages_of_execution ON spine.messages (shard, tenant, execution, position);
CREATE INDEX messages_not_followed ON spine.messages (tenant, execution) WHERE outcome <> 'event';

-- Executions whose log holds an event that the projector does not know: their views end there.
CREATE TABLE spine.undecidable (
    shard integer NOT NULL,
    tenant text NOT NULL,
    execution text NOT NULL,
    position bigint NOT NULL,
    what text NOT NULL,
    PRIMARY KEY (shard, tenant, execution)
);
