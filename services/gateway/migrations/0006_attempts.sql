-- Passcodes of passes are guessed as passwords are: their attempts count in the same table.
ALTER TABLE login_attempts RENAME TO attempts;
ALTER INDEX login_attempts_pkey RENAME TO attempts_pkey;
ALTER INDEX login_attempts_occurred_at RENAME TO attempts_occurred_at;
