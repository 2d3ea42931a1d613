-- The embedded transport's queues of events.
CREATE TABLE messages (
    message_number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text NOT NULL,
    message_id uuid NOT NULL,
    name text NOT NULL,
    lane text NOT NULL,
    body bytea NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    reason text,
    taken integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    dead_at timestamptz,
    UNIQUE (queue, message_id)
) WITH (fillfactor = 80);
CREATE INDEX messages_live ON messages (queue, message_number) WHERE dead_at IS NULL;
