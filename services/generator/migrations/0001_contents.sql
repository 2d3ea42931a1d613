-- Projections of the catalogue; the newest revision wins.
CREATE TABLE templates (
    template_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    revision bigint NOT NULL,
    name text NOT NULL,
    organization text NOT NULL,
    identity_id uuid NOT NULL,
    document jsonb NOT NULL,
    images jsonb NOT NULL
);

CREATE TABLE identities (
    identity_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    revision bigint NOT NULL,
    sealed text NOT NULL
);

-- The last state of each pass and what was made of it, in one row of about 3 KB that stays in one
-- piece. Of the signature only the value is kept: the rest is the identity's and the same for all.
CREATE TABLE contents (
    handle text COLLATE "C" PRIMARY KEY,
    account_id uuid NOT NULL,
    template_id uuid NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL,
    template_revision bigint NOT NULL,
    identity_revision bigint NOT NULL,
    content_number bigint NOT NULL,
    pass_json bytea,
    manifest bytea NOT NULL,
    signature_value bytea,
    signed_at timestamptz NOT NULL,
    last_modified timestamptz NOT NULL,
    served boolean NOT NULL DEFAULT false,
    deleted_at timestamptz
) WITH (toast_tuple_target = 8160, fillfactor = 100);
ALTER TABLE contents ALTER COLUMN pass_json SET STORAGE EXTERNAL;
ALTER TABLE contents ALTER COLUMN manifest SET STORAGE EXTERNAL;
ALTER TABLE contents ALTER COLUMN signature_value SET STORAGE EXTERNAL;
CREATE INDEX contents_deleted ON contents (deleted_at) WHERE deleted_at IS NOT NULL;
