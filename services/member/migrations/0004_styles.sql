-- What the passes of a member look like where they say nothing themselves.
ALTER TABLE members
    ADD COLUMN style_id uuid,
    ADD COLUMN style_group_id uuid;
CREATE INDEX members_of_style ON members (account_id, style_id) WHERE style_id IS NOT NULL;
CREATE INDEX members_of_style_group ON members (account_id, style_group_id)
    WHERE style_group_id IS NOT NULL;
