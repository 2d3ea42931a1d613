-- From which networks logins have succeeded: digests of e-mail address and network.
CREATE TABLE login_networks (
    place bytea PRIMARY KEY,
    used_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX login_networks_used_at ON login_networks (used_at);
