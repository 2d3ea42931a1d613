-- Fetches stand in the feed; observations of them said the same.
CREATE INDEX events_fetches ON events (handle, occurred_at) WHERE kind = 'pass.fetched';
DELETE FROM observations WHERE kind = 'fetched';
