-- How many runs of a pass, and of an account, wait for a call.
CREATE INDEX runs_open_of_account ON runs (account_id, handle) WHERE outcome IS NULL;
