-- Addresses of partners. A deleted one stays as a row, so that its deliveries can still be shown.
CREATE TABLE endpoints (
    endpoint_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    url text NOT NULL,
    description text,
    kinds text[] NOT NULL DEFAULT '{}',
    template_id uuid,
    enabled boolean NOT NULL DEFAULT true,
    disabled_reason text,
    failing_since timestamptz,
    secret text NOT NULL,
    secret_version integer NOT NULL DEFAULT 1,
    previous_secret text,
    previous_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE INDEX endpoints_account ON endpoints (account_id, endpoint_id) WHERE deleted_at IS NULL;
CREATE INDEX endpoints_template ON endpoints (template_id)
    WHERE template_id IS NOT NULL AND deleted_at IS NULL;

-- What happened, as it is posted. `body` is text: it is written once and sent as it is.
CREATE TABLE events (
    event_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    template_id uuid NOT NULL,
    handle text NOT NULL,
    kind text NOT NULL,
    body text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_account ON events (account_id, occurred_at);
CREATE INDEX events_received_at ON events USING brin (received_at) WITH (autosummarize = on);

-- One event on its way to one endpoint. `attempts` counts all, `tries` those of the present
-- round of the schedule; a replay begins a new round. No foreign keys: rows come by the thousand.
CREATE TABLE deliveries (
    delivery_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    handle text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'delivered', 'exhausted', 'dropped')),
    next_attempt_at timestamptz,
    lease_until timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    round integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (endpoint_id, event_id)
) WITH (fillfactor = 80);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX deliveries_handle ON deliveries (handle, event_id);
CREATE INDEX deliveries_created_at ON deliveries USING brin (created_at)
    WITH (autosummarize = on);
ALTER TABLE deliveries SET (autovacuum_vacuum_scale_factor = 0.02,
                            autovacuum_vacuum_threshold = 5000);

CREATE TABLE attempts (
    delivery_id uuid NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    status integer,
    error text,
    milliseconds integer NOT NULL,
    response text,
    PRIMARY KEY (delivery_id, number)
);
CREATE INDEX attempts_at ON attempts USING brin (at) WITH (autosummarize = on);

-- Contents built, for the timeline of a pass.
CREATE TABLE contents (
    handle text NOT NULL,
    content_number bigint NOT NULL,
    account_id uuid NOT NULL,
    pass_version bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (handle, content_number)
);

-- Passes that are gone; what is kept of them goes when their row here does.
CREATE TABLE deleted_passes (
    handle text PRIMARY KEY,
    account_id uuid NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deleted_passes_deleted_at ON deleted_passes (deleted_at);
