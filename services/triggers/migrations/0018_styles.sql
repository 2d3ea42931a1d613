-- What a pass looks like by its own choice.
ALTER TABLE passes
    ADD COLUMN style_id uuid,
    ADD COLUMN style_group_id uuid;
CREATE INDEX passes_of_style ON passes (account_id, style_id, handle) WHERE style_id IS NOT NULL;
CREATE INDEX passes_of_style_group ON passes (account_id, style_group_id, handle)
    WHERE style_group_id IS NOT NULL;

-- The same by the choice of members and templates.
CREATE INDEX members_of_style ON members (account_id, (facts ->> 'style_id'), member_id)
    WHERE facts ? 'style_id';
CREATE INDEX members_of_style_group ON members (account_id, (facts ->> 'style_group_id'), member_id)
    WHERE facts ? 'style_group_id';
CREATE INDEX templates_of_style ON templates (account_id)
    WHERE document ? 'style_id' OR document ? 'style_group_id';

-- Which revision of styles and groups was heard of last; a group has rules.
CREATE TABLE styles (
    named_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    revision bigint NOT NULL,
    rules jsonb
);
CREATE INDEX style_groups_of_style ON styles USING gin (rules jsonb_path_ops);

-- A style or group has changed: passes are gone over that name `key` by themselves or by their
-- member, or that are of the template `key`.
CREATE TABLE restylings (
    named_by text NOT NULL CHECK (
        named_by IN (
            'pass_style', 'pass_style_group', 'member_style', 'member_style_group', 'template'
        )
    ),
    key uuid NOT NULL,
    changed_id uuid NOT NULL,
    account_id uuid NOT NULL,
    revision bigint NOT NULL,
    after_member text COLLATE "C" NOT NULL DEFAULT '',
    after_handle text COLLATE "C" NOT NULL DEFAULT '',
    turned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (named_by, key, changed_id)
);
