-- What the object of a pass is called at Google, where its handle does not say it, and which others are linked to it.
ALTER TABLE passes
    ADD COLUMN google_name text COLLATE "C",
    ADD COLUMN linked jsonb NOT NULL DEFAULT '[]';
