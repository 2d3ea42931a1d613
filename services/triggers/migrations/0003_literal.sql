-- Paths of own values whose brackets are plain text: what a user typed, what a set action made.
ALTER TABLE passes ADD COLUMN literal jsonb NOT NULL DEFAULT '[]';
