-- Whether a pass is in Google Wallet, which counts among `devices`, by the act there with the highest number.
ALTER TABLE passes
    ADD COLUMN google_devices integer NOT NULL DEFAULT 0,
    ADD COLUMN google_number bigint NOT NULL DEFAULT 0;
