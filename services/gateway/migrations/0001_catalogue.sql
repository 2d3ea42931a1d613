CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    name text NOT NULL,
    organization_name text NOT NULL,
    managed_by uuid REFERENCES accounts,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX accounts_managed_by ON accounts (managed_by, account_id) WHERE managed_by IS NOT NULL;

CREATE TABLE api_keys (
    key_id text PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_keys_account_id ON api_keys (account_id, key_id) WHERE revoked_at IS NULL;

-- More than one while a key is being rotated. 256 random bits need no slow hash.
CREATE TABLE api_key_secrets (
    key_id text NOT NULL REFERENCES api_keys,
    sha256 bytea NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, sha256)
);

-- One per installation; two gateways that start at once agree on it.
CREATE TABLE development_authorities (
    authority_id smallint PRIMARY KEY DEFAULT 1 CHECK (authority_id = 1),
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE identities (
    identity_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    revision integer NOT NULL,
    pass_type_identifier text NOT NULL,
    team_identifier text NOT NULL,
    fingerprint text NOT NULL,
    development boolean NOT NULL,
    not_after timestamptz NOT NULL,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, pass_type_identifier)
);

-- By content: the same bytes are kept once, whoever uploads them.
CREATE TABLE images (
    sha256 text PRIMARY KEY,
    sha1 text NOT NULL,
    crc32 bigint NOT NULL,
    size integer NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    data bytea NOT NULL
);
ALTER TABLE images ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE account_images (
    account_id uuid NOT NULL REFERENCES accounts,
    sha256 text NOT NULL REFERENCES images,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sha256)
);

CREATE TABLE templates (
    template_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    identity_id uuid NOT NULL REFERENCES identities,
    revision integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE INDEX templates_account_id ON templates (account_id, template_id) WHERE deleted_at IS NULL;

-- json, not jsonb: the author's order of keys and writing of numbers stay.
CREATE TABLE template_revisions (
    template_id uuid NOT NULL REFERENCES templates,
    revision integer NOT NULL,
    name text NOT NULL,
    document json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (template_id, revision)
);

CREATE TABLE idempotency_keys (
    account_id uuid NOT NULL,
    operation text NOT NULL,
    key text NOT NULL,
    command_id uuid NOT NULL,
    fingerprint bytea NOT NULL,
    response text,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, operation, key)
);
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);
