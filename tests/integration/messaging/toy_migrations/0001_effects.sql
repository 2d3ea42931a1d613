-- What the toy handlers did, without any key: a second effect would be seen.
CREATE TABLE effects (
    effect text NOT NULL,
    transaction_id text NOT NULL DEFAULT pg_current_xact_id()::text
);
-- And a thing that there can be only once.
CREATE TABLE singles (single text PRIMARY KEY);
