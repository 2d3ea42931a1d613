-- Whose values a fact tells: digests of persons, for as long as the fact is kept.
CREATE TABLE outbox_persons (
    outbox_id bigint NOT NULL,
    person bigint NOT NULL,
    PRIMARY KEY (outbox_id, person)
);
CREATE INDEX outbox_persons_person ON outbox_persons (person);

-- Persons who were deleted. Facts up to `upto_id` are to be rid of their values, and dead letters of
-- theirs that come later are buried without a key.
CREATE TABLE erasures (
    account_id uuid NOT NULL,
    member_id text COLLATE "C" NOT NULL,
    person bigint NOT NULL,
    upto_id bigint NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    PRIMARY KEY (account_id, member_id)
);
CREATE INDEX erasures_open ON erasures (person) WHERE done_at IS NULL;
CREATE INDEX erasures_person ON erasures (person);

-- A dead letter lies sealed; this is its key, sealed by a master key. NULL: nobody may read it.
ALTER TABLE suspects
    ADD COLUMN letter_key text,
    ADD COLUMN persons bigint[] NOT NULL DEFAULT '{}';

-- Old rows are found by their ids, which begin with the time.
DROP INDEX inbox_received_at, outbox_created_at;
