-- The number by which callers of the Pass2U API name a template.
ALTER TABLE templates ADD COLUMN model_id bigint GENERATED ALWAYS AS IDENTITY (START WITH 1001);
CREATE UNIQUE INDEX templates_model_id ON templates (model_id);

-- In which times are written that the Pass2U API answers.
ALTER TABLE accounts ADD COLUMN utc_offset text NOT NULL DEFAULT '+00:00';

-- The names by which callers of the Pass2U API know images: each account its own.
CREATE TABLE image_names (
    account_id uuid NOT NULL REFERENCES accounts,
    name text NOT NULL,
    sha256 text NOT NULL REFERENCES images,
    PRIMARY KEY (account_id, name)
);

-- The gateways that run, which share limits.
CREATE TABLE processes (
    process_id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);
