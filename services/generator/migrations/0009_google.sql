-- Passes that somebody wants at Google, by which issuer; null: nobody does.
ALTER TABLE passes ADD COLUMN google_issuer_id text;

-- What was told of them last: whether they differ is asked by digests.
CREATE TABLE google_documents (
    handle text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    class_id text NOT NULL,
    class_digest bytea NOT NULL,
    object_digest bytea NOT NULL
);

-- Classes that a template has besides its own, for passes with another event, flight or company.
CREATE TABLE google_variants (
    template_id uuid NOT NULL,
    class_id text NOT NULL,
    PRIMARY KEY (template_id, class_id)
);
