-- The files of passes that have nothing of their own, by a digest of them: contents are packed
-- against these, and so they stay. One for each revision of a template, about as long as a pass.
CREATE TABLE blanks (
    blank_id uuid PRIMARY KEY,
    files bytea NOT NULL
);
ALTER TABLE blanks ALTER COLUMN files SET STORAGE EXTERNAL;

-- pass.json and manifest.json become one column. `blank_id` is NULL for contents of before, which
-- lie there as they are, until they are composed anew. Contents are compared by the SHA-256 of
-- their manifest, which is what is signed.
ALTER TABLE apple_contents RENAME COLUMN pass_json TO files;
ALTER TABLE apple_contents
    ADD COLUMN manifest_digest bytea,
    ADD COLUMN blank_id uuid;
UPDATE apple_contents
SET files = files || '\x0a' || manifest, manifest_digest = sha256(manifest);
ALTER TABLE apple_contents
    ALTER COLUMN manifest_digest SET NOT NULL,
    DROP COLUMN manifest;
