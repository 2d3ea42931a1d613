-- Styles and style groups as the gateway announced them; one that is deleted is passed over.
CREATE TABLE styles (
    style_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    revision bigint NOT NULL,
    document jsonb NOT NULL,
    images jsonb NOT NULL,
    deleted boolean NOT NULL
);
CREATE TABLE style_groups (
    style_group_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    revision bigint NOT NULL,
    document jsonb NOT NULL,
    deleted boolean NOT NULL
);
