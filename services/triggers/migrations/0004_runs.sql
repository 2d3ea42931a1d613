-- Runs of rules that call URLs: an event on its way, until its outcome is known.
CREATE TABLE runs (
    command_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    handle text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    command jsonb NOT NULL,
    program jsonb NOT NULL,
    began_at timestamptz NOT NULL,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    outcome text,
    ended_at timestamptz
);
CREATE INDEX runs_open ON runs (lease_until) WHERE outcome IS NULL;
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;
