-- What a run did, line by line: references, digests and summaries, never a payload.

CREATE SCHEMA traces;

CREATE TABLE traces.lines (
    trace_id text NOT NULL,
    shard integer NOT NULL,
    position bigint NOT NULL,
    -- 0: a call that needed no claim, shown as called; 1: the event; 2: the step it completes.
    part smallint NOT NULL,
    tenant text NOT NULL,
    execution_id text NOT NULL,
    seq integer NOT NULL,
    step_n integer NOT NULL,
    event_type text NOT NULL,
    target text NOT NULL,
    summary text NOT NULL,
    writer text NOT NULL,
    actor text NOT NULL,
    attempt integer NOT NULL,
    tokens_in bigint NOT NULL,
    tokens_out bigint NOT NULL,
    micro_usd bigint NOT NULL,
    latency_ms bigint,
    stored_at timestamptz NOT NULL,
    PRIMARY KEY (trace_id, shard, position, part)
);

-- In the order in which it happened, so that the plainest query reads as a story; only parts 1 carry cost and latency.
CREATE VIEW traces.steps AS
SELECT trace_id, step_n, event_type, summary, target, tenant, execution_id, seq, attempt, writer, actor,
       tokens_in, tokens_out, round(micro_usd::numeric / 1000000, 6) AS cost, latency_ms, stored_at,
       shard, position, part
FROM traces.lines
ORDER BY trace_id, shard, position, part;
