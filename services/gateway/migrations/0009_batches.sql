-- Lists of rows that accounts have sent, to be done one after the other. Whatever they hold is sealed by a key of the
-- batch, which master keys have sealed.
CREATE TABLE batches (
    batch_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    kind text NOT NULL,
    state text NOT NULL DEFAULT 'receiving',
    terms json NOT NULL DEFAULT '{}',
    sealed text NOT NULL,
    fingerprint bytea,
    rows bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    fault text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    -- Since it was resumed last: what its rate is reckoned from.
    resumed_at timestamptz,
    resumed_done bigint NOT NULL DEFAULT 0,
    ended_at timestamptz,
    turned_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX batches_account_id ON batches (account_id, batch_id);
CREATE INDEX batches_fingerprint ON batches (account_id, fingerprint);
CREATE INDEX batches_open ON batches (account_id) WHERE ended_at IS NULL;

CREATE TABLE batch_chunks (
    batch_id uuid NOT NULL REFERENCES batches,
    number integer NOT NULL,
    first_line bigint NOT NULL,
    rows integer NOT NULL,
    content bytea NOT NULL,
    outcomes bytea,
    attempts integer NOT NULL DEFAULT 0,
    leased_until timestamptz,
    PRIMARY KEY (batch_id, number)
);
ALTER TABLE batch_chunks ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE batch_chunks ALTER COLUMN outcomes SET STORAGE EXTERNAL;
CREATE INDEX batch_chunks_open ON batch_chunks (batch_id, number) WHERE outcomes IS NULL;

-- Digests, under the batch's key, of what rows name: so that rows which name the same, and those of a member, are found.
CREATE TABLE batch_marks (
    batch_id uuid NOT NULL REFERENCES batches,
    digest bytea NOT NULL,
    line bigint NOT NULL,
    PRIMARY KEY (batch_id, digest, line)
);

-- Members who were erased while a batch goes on, by the same digests.
CREATE TABLE batch_erasures (
    batch_id uuid NOT NULL REFERENCES batches,
    digest bytea NOT NULL,
    PRIMARY KEY (batch_id, digest)
);
