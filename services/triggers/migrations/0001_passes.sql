-- Projections of the catalogue and of members; the newest revision or version wins.
CREATE TABLE templates (
    template_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    revision bigint NOT NULL,
    name text NOT NULL,
    organization text NOT NULL,
    document jsonb NOT NULL,
    deleted_at timestamptz
);
CREATE INDEX templates_deleted ON templates (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE members (
    account_id uuid NOT NULL,
    member_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    facts jsonb,
    PRIMARY KEY (account_id, member_id)
);

-- `sequence` numbers the pass's events; `happened` has a bit for each kind of event that did.
CREATE TABLE passes (
    handle text COLLATE "C" PRIMARY KEY,
    account_id uuid NOT NULL,
    template_id uuid NOT NULL,
    serial_number text NOT NULL,
    member_id text COLLATE "C",
    version bigint NOT NULL,
    sequence bigint NOT NULL,
    push_version bigint NOT NULL,
    own_values jsonb NOT NULL,
    happened integer NOT NULL,
    voided boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
) WITH (fillfactor = 90);
CREATE INDEX passes_of_account ON passes (account_id, handle) WHERE deleted_at IS NULL;
CREATE INDEX passes_of_template ON passes (account_id, template_id, handle)
    WHERE deleted_at IS NULL;
CREATE INDEX passes_deleted ON passes (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX passes_of_member ON passes (account_id, member_id, handle) WHERE member_id IS NOT NULL;

CREATE TABLE events (
    handle text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    event_id uuid NOT NULL,
    kind text NOT NULL,
    version bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (handle, sequence)
);

-- Counters: appended as deltas, so that no row is hot; folded by a job; read as the sum of both.
CREATE TABLE counters (
    template_id uuid NOT NULL,
    day date NOT NULL,
    kind text NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (template_id, day, kind)
);
CREATE TABLE counter_deltas (
    template_id uuid NOT NULL,
    day date NOT NULL,
    kind text NOT NULL,
    amount bigint NOT NULL
);
CREATE INDEX counter_deltas_of_template ON counter_deltas (template_id);
