-- Passes that devices may hear of. No row: its first content at most was built, and nobody
-- downloaded it, registered for it or asked to have it pushed. Of one that was asked to be pushed or
-- deleted before anything else the type and serial number are not known yet, and empty.
CREATE TABLE passes (
    handle text COLLATE "C" PRIMARY KEY,
    account_id uuid NOT NULL,
    template_id uuid NOT NULL,
    pass_type_identifier text NOT NULL,
    serial_number text NOT NULL,
    content_number bigint NOT NULL DEFAULT 0,
    pass_version bigint NOT NULL DEFAULT 0,
    tag bigint NOT NULL DEFAULT 0,               -- 0: nobody's news
    unpushed_since bigint,                       -- oldest pass version whose change is in bytes that were not pushed yet
    push_version bigint NOT NULL DEFAULT 0,      -- highest version for which a push was asked
    downloaded bigint NOT NULL DEFAULT 0,        -- newest content number known to have left the house
    downloaded_version bigint NOT NULL DEFAULT 0,  -- the pass version it shows
    first_downloaded bigint NOT NULL DEFAULT 0,  -- oldest content number known to have left: no copy is older
    registration_number bigint NOT NULL DEFAULT 0,
    deleted_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX passes_serial_number ON passes (serial_number);
CREATE INDEX passes_deleted_at ON passes (deleted_at) WHERE deleted_at IS NOT NULL;

-- `device` is the SHA-256 of a device library identifier, which is the device's only secret.
CREATE TABLE devices (
    device text COLLATE "C" PRIMARY KEY,
    push_token text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('apple', 'wallet_passes', 'wallet_union', 'pass2u')),
    registered_at timestamptz NOT NULL DEFAULT now(),  -- when it registered for any pass last
    updated_at timestamptz NOT NULL DEFAULT now()      -- when its push token changed last
);

CREATE TABLE registrations (
    device text COLLATE "C" NOT NULL,
    handle text COLLATE "C" NOT NULL,
    pass_type_identifier text NOT NULL,
    serial_number text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    tag bigint NOT NULL DEFAULT 0,           -- above the pass's: it was news to this device alone
    awaited boolean NOT NULL DEFAULT false,  -- a list has named the pass, and no fetch came since
    PRIMARY KEY (device, handle)
);
CREATE INDEX registrations_handle ON registrations (handle);
CREATE INDEX registrations_type ON registrations (device, pass_type_identifier);

-- The row lock makes commit order tag order.
CREATE TABLE tag_counters (
    pass_type_identifier text PRIMARY KEY,
    tag bigint NOT NULL
);

-- A device that has to be told that some of its passes of a type are new: one push for however many.
CREATE TABLE wakes (
    device text COLLATE "C" NOT NULL,
    pass_type_identifier text NOT NULL,
    account_id uuid NOT NULL,
    handles text[] NOT NULL,
    asked bigint NOT NULL DEFAULT 1,  -- rises with each ask
    due_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz,
    tries integer NOT NULL DEFAULT 0,
    PRIMARY KEY (device, pass_type_identifier)
);
CREATE INDEX wakes_due_at ON wakes (due_at);

-- What was seen of passes on their way to devices; for timelines, 30 days. No foreign keys: it
-- outlives passes and devices.
CREATE TABLE observations (
    observation_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    handle text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    device text,  -- its first 8 digits
    data jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX observations_handle ON observations (handle, at);
CREATE INDEX observations_at ON observations USING brin (at) WITH (autosummarize = on);
