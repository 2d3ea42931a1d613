-- Of which public address and which credentials of its account a content was made: a digest.
ALTER TABLE contents ADD COLUMN environment bigint NOT NULL DEFAULT 0;
