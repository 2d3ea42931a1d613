-- The newest state of each pass. Most passes are never fetched: of those there is nothing else.
CREATE TABLE passes (
    handle text COLLATE "C" PRIMARY KEY,
    account_id uuid NOT NULL,
    template_id uuid NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL,
    deleted_at timestamptz
) WITH (fillfactor = 90);
INSERT INTO passes (handle, account_id, template_id, version, state, deleted_at)
SELECT handle, account_id, template_id, version, state, deleted_at FROM contents;
CREATE INDEX passes_deleted ON passes (deleted_at) WHERE deleted_at IS NOT NULL;

-- What Apple Wallet gets of a pass, from its first fetch on. Composed at each change; signed when it
-- is fetched: until then `signature_value` is NULL; what was ever signed counts as served. Who writes a content has locked its pass.
DELETE FROM contents WHERE deleted_at IS NOT NULL;
UPDATE contents SET served = true WHERE signature_value IS NOT NULL;
ALTER TABLE contents RENAME TO apple_contents;
ALTER INDEX contents_pkey RENAME TO apple_contents_pkey;
ALTER TABLE apple_contents
    DROP COLUMN account_id,
    DROP COLUMN template_id,
    DROP COLUMN state,
    DROP COLUMN deleted_at,
    ALTER COLUMN pass_json SET NOT NULL,
    ALTER COLUMN signed_at DROP NOT NULL;
-- It says of the identity too which one it is.
ALTER TABLE apple_contents RENAME COLUMN environment TO environment_digest;
