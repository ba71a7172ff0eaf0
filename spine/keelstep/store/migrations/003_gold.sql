-- One row per execution: what it came to and what it cost.

CREATE SCHEMA gold;

CREATE TABLE gold.executions (
    execution_id text NOT NULL,
    name text NOT NULL,
    tenant text NOT NULL,
    strategy text NOT NULL,
    strategy_version text NOT NULL,
    strategy_digest text NOT NULL,
    arm text,
    requester text NOT NULL,
    trace_id text NOT NULL,
    started_at timestamptz NOT NULL,
    -- NULL while it is open, as are the next three.
    finished_at timestamptz,
    duration_ms bigint,
    outcome text,
    outcome_success boolean,
    outcome_reason text,
    micro_usd bigint NOT NULL,
    total_cost numeric(20, 6) GENERATED ALWAYS AS (round(micro_usd::numeric / 1000000, 6)) STORED,
    budget_micro_usd bigint NOT NULL,
    reserved_micro_usd bigint NOT NULL,
    price_table text NOT NULL,
    tokens bigint NOT NULL,
    steps_n integer NOT NULL,
    attempts integer NOT NULL,
    model_calls integer NOT NULL,
    tool_calls integer NOT NULL,
    gate_escalations integer NOT NULL,
    -- Where the time went: waiting for models, for tools, for people.
    model_ms bigint NOT NULL,
    tool_ms bigint NOT NULL,
    gate_ms bigint NOT NULL,
    events_n integer NOT NULL,
    voids_n integer NOT NULL,
    -- An event that the projector does not know: everything here is what was true before it.
    undecidable text,
    shard integer NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tenant, execution_id)
);

CREATE INDEX executions_by_start ON gold.executions (started_at);
CREATE INDEX executions_by_trace ON gold.executions (trace_id);
CREATE INDEX executions_by_name ON gold.executions (tenant, name);

-- The percentile of a column in a plain GROUP BY, interpolated as percentile_cont does. Exact up to 2,048 values; above,
-- every other of the sorted values is kept and only every second later one is looked at, and so on: the rank is then
-- right to about two in a hundred, and memory and time per row stay bounded.
-- The state is {fraction, stride, passed over, value, …}.
CREATE FUNCTION gold.approx_percentile_add(state double precision[], value double precision, fraction double precision)
RETURNS double precision[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF value IS NULL THEN
        RETURN state;
    END IF;
    IF state IS NULL THEN
        IF fraction IS NULL OR fraction < 0 OR fraction > 1 THEN
            RAISE EXCEPTION 'approx_percentile: the fraction must be between 0 and 1, not %', fraction
                USING ERRCODE = 'numeric_value_out_of_range';
        END IF;
        RETURN ARRAY[fraction, 1, 0, value];
    END IF;
    IF state[3] + 1 < state[2] THEN
        state[3] := state[3] + 1;
        RETURN state;
    END IF;
    IF state[2] > 1 THEN
        state[3] := 0;
    END IF;
    state := array_append(state, value);
    IF cardinality(state) > 2048 + 3 THEN
        state := ARRAY[state[1], state[2] * 2, 0] || ARRAY(
            SELECT kept.value
            FROM (SELECT each.value, row_number() OVER (ORDER BY each.value) AS rank
                  FROM unnest(state[4:]) AS each (value)) AS kept
            WHERE kept.rank % 2 = 1
            ORDER BY kept.rank);
    END IF;
    RETURN state;
END
$$;

CREATE FUNCTION gold.approx_percentile_end(state double precision[])
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT percentile_cont(state[1]) WITHIN GROUP (ORDER BY each.value) FROM unnest(state[4:]) AS each (value)
$$;

CREATE AGGREGATE gold.approx_percentile(double precision, double precision) (
    SFUNC = gold.approx_percentile_add,
    STYPE = double precision[],
    FINALFUNC = gold.approx_percentile_end,
    PARALLEL = SAFE
);
