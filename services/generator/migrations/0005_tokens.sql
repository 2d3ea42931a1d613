-- Pass tokens are kept nowhere: `pass_json` goes without its own, which stood at `token_at` and
-- derives from the secret `token_key`. Both are NULL for contents of before, which hold theirs.
ALTER TABLE contents
    ADD COLUMN token_at integer,
    ADD COLUMN token_key text;

-- How far the tokens of contents of before have been cut out; no row: all are.
CREATE TABLE token_cuts (after_handle text COLLATE "C" NOT NULL);
INSERT INTO token_cuts SELECT '' WHERE EXISTS (SELECT FROM contents WHERE pass_json IS NOT NULL);
