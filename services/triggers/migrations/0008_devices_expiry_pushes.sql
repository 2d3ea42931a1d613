-- On how many devices a pass is, by the act of a device with the highest number; when it expires,
-- as it is composed, and whether that date's event is in the log.
ALTER TABLE passes
    ADD COLUMN devices integer NOT NULL DEFAULT 0,
    ADD COLUMN registration_number bigint NOT NULL DEFAULT 0,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN expired boolean NOT NULL DEFAULT false;
-- Until now installs and removals were only noted by hand: bits 8 and 128.
UPDATE passes SET devices = 1 WHERE happened & 8 <> 0 AND happened & 128 = 0;
CREATE INDEX passes_installed ON passes (account_id, template_id, handle)
    WHERE deleted_at IS NULL AND devices > 0;
CREATE INDEX passes_expiring ON passes (expires_at)
    WHERE deleted_at IS NULL AND expires_at IS NOT NULL AND NOT expired;

-- Walks are jobs that can be followed and halted; `turned_at` lets them take turns.
ALTER TABLE walks
    ADD COLUMN state text NOT NULL DEFAULT 'running',
    ADD COLUMN total bigint NOT NULL DEFAULT 0,
    ADD COLUMN done bigint NOT NULL DEFAULT 0,
    ADD COLUMN template_revision bigint NOT NULL DEFAULT 0,
    ADD COLUMN forget jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN turned_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN ended_at timestamptz;
CREATE INDEX walks_running ON walks (turned_at) WHERE state = 'running';
CREATE INDEX walks_of_account ON walks (account_id, command_id);
CREATE INDEX walks_ended ON walks (ended_at) WHERE ended_at IS NOT NULL;

-- Templates whose passes have to be gone over, because a revision changed when they expire.
CREATE TABLE corrections (
    template_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    after text COLLATE "C" NOT NULL DEFAULT '',
    begins_at timestamptz NOT NULL
);
INSERT INTO corrections (template_id, account_id, begins_at)
    SELECT template_id, account_id, now() FROM templates WHERE deleted_at IS NULL;
