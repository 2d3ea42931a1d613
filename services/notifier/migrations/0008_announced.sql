-- What was last announced of members and templates.
ALTER TABLE told RENAME TO announced;
