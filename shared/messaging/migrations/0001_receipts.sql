-- Facts stay for a day after they were sent, so that what the broker loses can be sent again.
-- `awaiting` names the queues whose consumer has not said yet that it has handled the fact; it is
-- asked at `ask_at`. A row that is to be sent again loses its `sent_at`.
ALTER TABLE outbox
    ADD COLUMN sent_at timestamptz,
    ADD COLUMN awaiting text[],
    ADD COLUMN ask_at timestamptz,
    ADD COLUMN asks smallint NOT NULL DEFAULT 0;
CREATE INDEX outbox_unsent ON outbox (outbox_id) WHERE sent_at IS NULL;
CREATE INDEX outbox_to_ask ON outbox (ask_at) WHERE ask_at IS NOT NULL;
CREATE INDEX outbox_created_at ON outbox USING brin (created_at) WITH (autosummarize = on);

-- `failed_at`: when handling failed last, `dead_at`: since when it lies among the dead letters.
ALTER TABLE suspects
    ADD COLUMN failed_at timestamptz,
    ADD COLUMN dead_at timestamptz;
