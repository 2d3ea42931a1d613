-- The body of an event of a pass begins with what other columns say; `body` is what follows then.
-- NULL: the body is whole, as of what is no pass's and of events of before.
ALTER TABLE events ADD COLUMN cause text;
