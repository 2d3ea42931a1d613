-- Templates that were made for an account when it first needed one.
CREATE TABLE ready_templates (
    account_id uuid NOT NULL REFERENCES accounts,
    kind text NOT NULL,
    template_id uuid NOT NULL REFERENCES templates,
    PRIMARY KEY (account_id, kind)
);

-- Passes that members got for a wallet: who asks for the same again gets the same pass. `purpose` digests what else
-- tells one pass of a member from another.
CREATE TABLE member_passes (
    account_id uuid NOT NULL REFERENCES accounts,
    member_id text COLLATE "C" NOT NULL,
    wallet text NOT NULL,
    purpose bytea NOT NULL,
    handle text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, member_id, wallet, purpose)
);

-- Whether passes may be linked to passes of its members without an API key.
ALTER TABLE accounts ADD COLUMN keyless_links boolean NOT NULL DEFAULT false;
CREATE INDEX accounts_keyless_links ON accounts (account_id) WHERE keyless_links;
