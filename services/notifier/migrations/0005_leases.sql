-- A lease is told by the moment it was taken; until when it holds is renewed while work goes on.
ALTER TABLE wakes ADD COLUMN leased_at timestamptz;
