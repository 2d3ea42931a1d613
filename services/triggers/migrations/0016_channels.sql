-- A pass comes from a channel, of which utm_source is one part.
CREATE TABLE channels (
    channel_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    program_id uuid NOT NULL, -- of zeros: none
    source text COLLATE "C" NOT NULL,
    medium text COLLATE "C" NOT NULL,
    campaign text COLLATE "C" NOT NULL,
    term text COLLATE "C" NOT NULL,
    content text COLLATE "C" NOT NULL,
    UNIQUE (program_id, source, medium, campaign, term, content)
);
INSERT INTO channels (program_id, source, medium, campaign, term, content)
SELECT DISTINCT '00000000-0000-0000-0000-000000000000'::uuid, source, '', '', '', ''
FROM (
    SELECT source FROM passes
    UNION
    SELECT source FROM counters
    UNION
    SELECT source FROM counter_deltas
) AS known
WHERE source <> '';

ALTER TABLE passes ADD COLUMN channel_id integer;
UPDATE passes SET channel_id = channels.channel_id
FROM channels
WHERE channels.source = passes.source;
ALTER TABLE passes DROP COLUMN source;

ALTER TABLE counter_deltas ADD COLUMN channel_id integer NOT NULL DEFAULT 0;
UPDATE counter_deltas SET channel_id = channels.channel_id
FROM channels
WHERE channels.source = counter_deltas.source;
ALTER TABLE counter_deltas DROP COLUMN source;

ALTER TABLE counters ADD COLUMN channel_id integer NOT NULL DEFAULT 0;
UPDATE counters SET channel_id = channels.channel_id
FROM channels
WHERE channels.source = counters.source;
ALTER TABLE counters DROP CONSTRAINT counters_pkey;
ALTER TABLE counters DROP COLUMN source;
ALTER TABLE counters ADD PRIMARY KEY (template_id, day, kind, channel_id);
