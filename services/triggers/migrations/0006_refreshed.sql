-- When a device of the pass last asked for news by itself, or was asked to by a push.
ALTER TABLE passes ADD COLUMN refreshed_at timestamptz;
