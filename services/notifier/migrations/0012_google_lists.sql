-- When the objects of a class were listed last, to be compared.
CREATE TABLE google_lists (
    class_id text COLLATE "C" PRIMARY KEY,
    listed_at timestamptz NOT NULL
);
