-- Roots of master keys that were taken away, sealed: tokens that are out there derive from them.
CREATE TABLE former_keys (
    root_id text PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    sealed text NOT NULL
);
