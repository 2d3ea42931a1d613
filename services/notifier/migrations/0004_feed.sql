-- Events become a feed. What was told before had other names and no numbers: nothing of it is kept.
TRUNCATE events, deliveries, attempts;

ALTER TABLE events
    -- Its place in the account's feed, in the order of commits. NULL: a test, which is in no feed.
    ADD COLUMN number bigint,
    ALTER COLUMN template_id DROP NOT NULL,
    ALTER COLUMN handle DROP NOT NULL;
CREATE UNIQUE INDEX events_feed ON events (account_id, number) WHERE number IS NOT NULL;

ALTER TABLE deliveries ALTER COLUMN handle DROP NOT NULL;

-- The last number of each account's feed. Whoever tells something holds the row until it commits.
CREATE TABLE feeds (
    account_id uuid PRIMARY KEY,
    last bigint NOT NULL
) WITH (fillfactor = 50);

-- Up to which number events are no longer kept; apart from `feeds`, so that forgetting locks nobody.
CREATE TABLE forgotten (
    account_id uuid PRIMARY KEY,
    number bigint NOT NULL
);

-- What was last told of members and templates: enough to tell what is new, nothing of who a person
-- is (`facts` of a member: its points, and four bytes for each other field). Version 0: nothing yet.
CREATE TABLE told (
    account_id uuid NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    living boolean NOT NULL DEFAULT false,
    facts jsonb NOT NULL DEFAULT '{}',
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, kind, id)
);
CREATE INDEX told_gone ON told (changed_at) WHERE NOT living;

UPDATE endpoints SET kinds = ARRAY(
    SELECT coalesce(renamed.after, kind) FROM unnest(kinds) AS kind LEFT JOIN (VALUES
        ('pass.create', 'pass.created'), ('pass.update', 'pass.updated'),
        ('pass.edit', 'pass.edited'), ('pass.scan', 'pass.scanned'),
        ('pass.check', 'pass.checked'), ('pass.register', 'pass.registered'),
        ('pass.install', 'pass.installed'), ('pass.remove', 'pass.removed'),
        ('pass.device_update', 'pass.refreshed'), ('pass.push', 'pass.pushed'),
        ('pass.void', 'pass.voided'), ('pass.unvoid', 'pass.unvoided'),
        ('pass.delete', 'pass.deleted')
    ) AS renamed (before, after) ON renamed.before = kind ORDER BY 1
) WHERE kinds <> '{}';
