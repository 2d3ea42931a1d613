-- For lists of passes to which something happened besides their creation, whose bit is the first.
CREATE INDEX passes_touched ON passes (account_id, template_id, handle)
    WHERE deleted_at IS NULL AND happened > 1;

-- Pushes of all installed passes of a template, on their way from handle to handle.
CREATE TABLE walks (
    command_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    template_id uuid NOT NULL,
    after text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
