-- Links that hold, sealed, what a pass is made of at the first click; of the links nothing is kept.
CREATE TABLE link_programs (
    program_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    template_id uuid NOT NULL REFERENCES templates,
    name text NOT NULL,
    auto_fill_external_id text NOT NULL,
    create_on text NOT NULL,
    valid_days integer,
    one_time boolean NOT NULL,
    default_region text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX link_programs_of_account ON link_programs (account_id, program_id);

CREATE TABLE link_keys (
    program_id uuid NOT NULL REFERENCES link_programs ON DELETE CASCADE,
    key_id text NOT NULL,
    kind text NOT NULL, -- 'passwright', or 'passkit' for a key that opens PassKit's own links
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz, -- from then on its links no longer work
    PRIMARY KEY (program_id, key_id)
);

CREATE TABLE link_revocations (
    program_id uuid NOT NULL REFERENCES link_programs ON DELETE CASCADE,
    kind text NOT NULL, -- 'link' or 'campaign'
    name text COLLATE "C" NOT NULL,
    revoked_at timestamptz NOT NULL DEFAULT now(), -- of a campaign: links made until then
    PRIMARY KEY (program_id, kind, name)
);

CREATE TABLE link_clicks (
    program_id uuid NOT NULL REFERENCES link_programs ON DELETE CASCADE,
    campaign text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    day date NOT NULL,
    clicks bigint NOT NULL,
    PRIMARY KEY (program_id, campaign, source, day)
);
