-- The hashes of the accounts' images, for passes that have images of their own.
CREATE TABLE images (
    account_id uuid NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    sha1 text NOT NULL,
    crc32 bigint NOT NULL,
    size integer NOT NULL,
    PRIMARY KEY (account_id, sha256)
);
