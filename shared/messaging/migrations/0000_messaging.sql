-- Facts on their way out; the relay deletes a row once the transport has confirmed it.
CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id uuid NOT NULL,
    name text NOT NULL,
    lane text NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- What was handled: events by message id, commands by command id with the outcome they got.
CREATE TABLE inbox (
    message_id uuid PRIMARY KEY,
    outcome text,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_received_at ON inbox USING brin (received_at);

-- Redelivered messages, counted before the work starts: one that kills its process is found out.
CREATE TABLE suspects (
    message_id uuid PRIMARY KEY,
    attempts integer NOT NULL,
    last_at timestamptz NOT NULL DEFAULT now()
);
