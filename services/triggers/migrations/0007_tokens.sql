-- Devices name a pass by its serial number. New serials begin with the time, so that bulk issuing
-- adds to the end of the index instead of touching a page of it for every pass.
ALTER TABLE passes ALTER COLUMN serial_number TYPE text COLLATE "C";
CREATE UNIQUE INDEX passes_of_serial ON passes (serial_number);
-- The secret that a pass's authentication token derives from; NULL: the oldest there is.
ALTER TABLE passes ADD COLUMN token_key text;
