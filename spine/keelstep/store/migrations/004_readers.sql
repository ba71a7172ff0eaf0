-- Who may read: members of keelstep_reader see the views, not the stored bytes. A role belongs to the whole server, so
-- another database of it may have made it already, or be making it now.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'keelstep_reader') THEN
        CREATE ROLE keelstep_reader NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

GRANT USAGE ON SCHEMA traces, gold TO keelstep_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA traces, gold TO keelstep_reader;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA gold FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA gold TO keelstep_reader;

-- Everybody who connects finds approx_percentile; a role's own setting would not reach its members.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = "$user", public, gold', current_database());
END
$$;

-- Replays are called from here; nothing else is defined in it yet.
CREATE SCHEMA agent;
