-- The pass's last log line when a run began: what a called service changes comes behind it. Runs
-- that are open now count no changes.
ALTER TABLE runs ADD COLUMN sequence bigint NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE runs ALTER COLUMN sequence DROP DEFAULT;
