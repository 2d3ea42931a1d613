-- At which credentials an account is; one that is missing is at its first.
CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    credential_epoch bigint NOT NULL
);
