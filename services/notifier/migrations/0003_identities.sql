-- Certificates with their sealed keys, as the gateway announced them: each revision until it ends,
-- so that while two overlap the one before can stand in.
CREATE TABLE identities (
    identity_id uuid NOT NULL,
    revision integer NOT NULL,
    account_id uuid NOT NULL,
    pass_type_identifier text NOT NULL,
    sealed text NOT NULL,
    not_after timestamptz NOT NULL,
    warned_days integer,  -- the shortest notice of its end that was given
    PRIMARY KEY (identity_id, revision)
);
CREATE INDEX identities_type ON identities (account_id, pass_type_identifier, revision);
CREATE INDEX identities_not_after ON identities (not_after);

-- Since when the device waits; a later ask does not change it.
ALTER TABLE wakes ADD COLUMN asked_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE wakes SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02,
                       autovacuum_vacuum_threshold = 5000);
