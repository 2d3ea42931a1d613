-- When a manual update of the pass counted last.
ALTER TABLE passes ADD COLUMN refreshed_at timestamptz;
