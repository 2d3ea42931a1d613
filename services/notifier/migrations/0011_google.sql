-- Google Wallet issuers as the gateway announced them: the newest revision.
CREATE TABLE google_issuers (
    issuer_id text COLLATE "C" PRIMARY KEY,
    account_id uuid NOT NULL,
    revision integer NOT NULL,
    email text NOT NULL,
    key_id text NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    sealed text NOT NULL,
    development boolean NOT NULL,
    waits_until timestamptz,                          -- Google refuses its account: one document tries again then
    waits_why text NOT NULL DEFAULT '',
    refuses_locations boolean NOT NULL DEFAULT false  -- Google has not allowed it merchant locations
);
CREATE INDEX google_issuers_project ON google_issuers (project_id);

-- How fast a project of Google Cloud may ask. Its row is locked by who takes slots and jobs.
CREATE TABLE google_limits (
    project_id text COLLATE "C" PRIMARY KEY,
    next_slot timestamptz NOT NULL DEFAULT now(),
    slots bigint NOT NULL DEFAULT 0,                  -- how many were taken
    slowness double precision NOT NULL DEFAULT 1,     -- times the usual spacing
    slowed_at timestamptz,                            -- when that changed last
    frozen_until timestamptz
);

-- A class, or the object of a pass, as it is to be at Google. What is wanted may tell of persons, as a pass
-- does, and goes with it; of what was sent only digests are kept.
CREATE TABLE google_documents (
    document_id text COLLATE "C" PRIMARY KEY,         -- Google's, which holds no handle
    issuer_id text COLLATE "C" NOT NULL,
    account_id uuid NOT NULL,
    template_id uuid NOT NULL,
    type text NOT NULL,
    handle text COLLATE "C",                          -- NULL: a class
    member_id text,
    class_id text COLLATE "C",
    needs text[] NOT NULL DEFAULT '{}',               -- documents that have to be there before it
    wanted jsonb NOT NULL,
    wanted_digest text NOT NULL,
    wanted_version bigint NOT NULL,                   -- of the pass; 0: a class
    wanted_revision bigint NOT NULL,                  -- of what its class is made of
    wanted_at timestamptz NOT NULL DEFAULT now(),
    push_version bigint NOT NULL DEFAULT 0,
    watched jsonb NOT NULL DEFAULT '{}',              -- field → value, and what is said of it
    sent jsonb,                                       -- key → digest; NULL: not there, as far as is known
    sent_digest text,
    sent_version bigint NOT NULL DEFAULT 0,
    sent_watched jsonb NOT NULL DEFAULT '{}',         -- field → digest
    sent_at timestamptz,
    refusal text,                                     -- Google's words about what is wanted
    trouble text NOT NULL DEFAULT '',                 -- why it has not come there yet
    review text NOT NULL DEFAULT '',
    messages integer NOT NULL DEFAULT 0,              -- how many are there
    clears_messages boolean NOT NULL DEFAULT false,   -- they may tell of somebody who was deleted
    telling text[] NOT NULL DEFAULT '{}',             -- fields of which a message is due
    notified_at timestamptz,
    has_users boolean NOT NULL DEFAULT false,         -- Google's last word
    held boolean NOT NULL DEFAULT false,              -- whether it was told as installed
    saved_at timestamptz,
    acts bigint NOT NULL DEFAULT 0,                   -- installs and removals that were told
    listed_at timestamptz,                            -- when a list named it last; of a class: when it was listed
    deleted_at timestamptz
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX google_documents_handle ON google_documents (handle) WHERE handle IS NOT NULL;
CREATE INDEX google_documents_template ON google_documents (template_id);
CREATE INDEX google_documents_class ON google_documents (class_id) WHERE class_id IS NOT NULL;
CREATE INDEX google_documents_member ON google_documents (account_id, member_id) WHERE member_id IS NOT NULL;
CREATE INDEX google_documents_deleted ON google_documents (deleted_at) WHERE deleted_at IS NOT NULL;

-- Documents of which something is to be done at Google. Documents are locked before jobs, those before
-- notices, each in order.
CREATE TABLE google_jobs (
    document_id text COLLATE "C" PRIMARY KEY,
    issuer_id text COLLATE "C" NOT NULL,
    lane smallint NOT NULL,                           -- 0 interactive, 1 campaign, 2 backfill
    asked bigint NOT NULL DEFAULT 1,                  -- rises with each ask
    asked_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    waits_for text COLLATE "C",                       -- the document that has to be there first
    looks boolean NOT NULL DEFAULT false,             -- Google is to be asked who has it
    tells boolean NOT NULL DEFAULT false,             -- a message was on its way once; it may be there
    reserved_at timestamptz,                          -- the notice in the ledger that it may give
    leased_at timestamptz,                            -- names the lease
    lease_until timestamptz,
    tries integer NOT NULL DEFAULT 0
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
CREATE INDEX google_jobs_foremost ON google_jobs (issuer_id, lane, due_at) WHERE waits_for IS NULL;
CREATE INDEX google_jobs_waiting ON google_jobs (waits_for) WHERE waits_for IS NOT NULL;

-- When holders were notified last, by object and by class: at most three moments.
CREATE TABLE google_notices (
    document_id text COLLATE "C" PRIMARY KEY,
    moments timestamptz[] NOT NULL
);
