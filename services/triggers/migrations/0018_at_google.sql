-- Whether a pass was ever wanted at Google, where it is kept in step for as long as it lives.
ALTER TABLE passes ADD COLUMN at_google boolean NOT NULL DEFAULT false;

-- What a push of all of a template goes over.
CREATE INDEX passes_in_wallets ON passes (account_id, template_id, handle)
    WHERE deleted_at IS NULL AND (devices > 0 OR at_google);
DROP INDEX passes_installed;
