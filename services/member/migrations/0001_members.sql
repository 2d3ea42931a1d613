-- One row per person, also after the deletion: what is left then is the version, which never falls.
-- A row of version 0 is a reservation; it exists only within the transaction that made it.
CREATE TABLE members (
    account_id uuid NOT NULL,
    member_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    name text,
    email text,
    phone text,
    external_id text COLLATE "C",
    tier text,
    points bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    PRIMARY KEY (account_id, member_id)
) WITH (fillfactor = 85);

-- A deleted member has no external id, so the living ones are unique.
CREATE UNIQUE INDEX members_external_id ON members (account_id, external_id)
    WHERE external_id IS NOT NULL;

-- Append-only, but for the reasons, which are erased with the member. `version` is the member's
-- after the change: unlike the time in entry_id it orders entries of different processes too.
CREATE TABLE points_entries (
    account_id uuid NOT NULL,
    member_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    entry_id uuid NOT NULL,
    delta bigint NOT NULL,
    balance bigint NOT NULL,
    reason text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, member_id, version)
);
CREATE UNIQUE INDEX points_entries_entry_id ON points_entries (account_id, member_id, entry_id);
