-- Links whose address says nothing: what is behind each rests here, sealed. The pass is made, under this handle, when
-- somebody opens the link first.
CREATE TABLE short_links (
    short_key text COLLATE "C" PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    template_id uuid NOT NULL REFERENCES templates,
    handle text NOT NULL,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
