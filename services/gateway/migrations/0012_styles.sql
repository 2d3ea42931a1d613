-- Looks that are laid over templates, and groups that pick one of several by points.
CREATE TABLE styles (
    style_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    revision integer NOT NULL,
    name text NOT NULL,
    document jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE INDEX styles_of_account ON styles (account_id, style_id) WHERE deleted_at IS NULL;

CREATE TABLE style_groups (
    style_group_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    revision integer NOT NULL,
    name text NOT NULL,
    document jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE INDEX style_groups_of_account ON style_groups (account_id, style_group_id)
    WHERE deleted_at IS NULL;
CREATE INDEX style_groups_of_style ON style_groups USING gin (document jsonb_path_ops)
    WHERE deleted_at IS NULL;
