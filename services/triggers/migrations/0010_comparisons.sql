-- Comparisons of passes and of their log with what generator and notifier know, page by page. One
-- of each subject goes on in the background; others are asked for by a command.
CREATE TABLE comparisons (
    comparison_id uuid PRIMARY KEY,
    subject text NOT NULL CHECK (subject IN ('passes', 'events')),
    in_background boolean NOT NULL,
    after_handle text COLLATE "C" NOT NULL DEFAULT '',
    after_sequence bigint NOT NULL DEFAULT 0,
    pages bigint NOT NULL DEFAULT 0,
    listed bigint NOT NULL DEFAULT 0,
    answered bigint NOT NULL DEFAULT 0,
    missing bigint NOT NULL DEFAULT 0,
    begun_at timestamptz NOT NULL DEFAULT now(),
    turned_at timestamptz NOT NULL DEFAULT '-infinity',
    ended_at timestamptz
);
CREATE UNIQUE INDEX comparisons_background ON comparisons (subject) WHERE in_background;
