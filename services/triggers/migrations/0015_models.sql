-- The channel a pass is counted for, what is kept of its passcode, and whether its date voided it.
ALTER TABLE passes
    ADD COLUMN source text,
    ADD COLUMN passcode text,
    ADD COLUMN voided_by_date boolean NOT NULL DEFAULT false;

-- Messages that no two passes of a template share; as digests: they may be longer than a key.
CREATE TABLE barcode_messages (
    template_id uuid NOT NULL,
    digest bytea NOT NULL,
    handle text COLLATE "C" NOT NULL,
    PRIMARY KEY (template_id, digest)
);
CREATE INDEX barcode_messages_of_pass ON barcode_messages (handle);

-- Events are counted for the channel of their pass, too; the empty text stands for none.
ALTER TABLE counter_deltas ADD COLUMN source text NOT NULL DEFAULT '';
ALTER TABLE counters
    ADD COLUMN source text COLLATE "C" NOT NULL DEFAULT '',
    DROP CONSTRAINT counters_pkey,
    ADD PRIMARY KEY (template_id, day, kind, source);
