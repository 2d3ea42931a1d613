-- Private keys that wait for their certificate, with the request that was sent to Apple.
CREATE TABLE identity_requests (
    request_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    public_key_sha256 text NOT NULL,
    csr text NOT NULL,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX identity_requests_account_id ON identity_requests (account_id, request_id);

-- The common name of who vouches for the chain; null: uploaded before this was kept.
ALTER TABLE identities ADD COLUMN root text;
