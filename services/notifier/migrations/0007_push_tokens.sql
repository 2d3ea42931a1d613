-- Push tokens are sealed. How far those of before have been; no row: all are.
CREATE TABLE token_sealings (after_device text COLLATE "C" NOT NULL);
INSERT INTO token_sealings SELECT '' WHERE EXISTS (SELECT FROM devices);
