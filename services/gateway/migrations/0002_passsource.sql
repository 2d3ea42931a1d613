-- A login of an account. The epoch rises when e-mail, password or subscription change, which ends
-- every client hash that was given out before.
ALTER TABLE accounts
    ADD COLUMN email text,
    ADD COLUMN password text,
    ADD COLUMN subscription_expires_at timestamptz,
    ADD COLUMN additional json NOT NULL DEFAULT '{}',
    ADD COLUMN whitelabel boolean NOT NULL DEFAULT false,
    ADD COLUMN background_color text,
    ADD COLUMN credential_epoch bigint NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX accounts_email ON accounts (email) WHERE email IS NOT NULL;

-- Attempts to log in that failed or are on their way; `place` is a digest of an e-mail or an address.
CREATE TABLE login_attempts (
    attempt_id uuid NOT NULL,
    place bytea NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (place, attempt_id)
);
CREATE INDEX login_attempts_occurred_at ON login_attempts (occurred_at);

-- What PassSource's dialect keeps beside a template: a constructor belongs to one revision.
ALTER TABLE templates ADD COLUMN is_public boolean NOT NULL DEFAULT false;
ALTER TABLE template_revisions ADD COLUMN constructor json;
