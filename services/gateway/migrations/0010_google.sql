-- Google Wallet issuers: a number of Google's belongs to one account, which may lend it to those it
-- manages. The key of the service account is sealed.
CREATE TABLE google_issuers (
    issuer_id text COLLATE "C" PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    revision integer NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    key_id text NOT NULL,
    project_id text NOT NULL,
    sealed text NOT NULL,
    is_default boolean NOT NULL,
    is_lent boolean NOT NULL,
    development boolean NOT NULL,
    access text NOT NULL,
    access_detail text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX google_issuers_of_account ON google_issuers (account_id, issuer_id);
CREATE UNIQUE INDEX google_issuers_default ON google_issuers (account_id) WHERE is_default;

-- The issuer whose classes and objects a template has at Google; it stays.
ALTER TABLE templates ADD COLUMN google_issuer_id text;
