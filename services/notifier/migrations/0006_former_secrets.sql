-- Secrets that an endpoint signs with until their time is over, beside the present one: a list of
-- {"secret": sealed, "until": time}. A column of two could not hold those of two rotations.
ALTER TABLE endpoints ADD COLUMN former_secrets jsonb NOT NULL DEFAULT '[]';
UPDATE endpoints
SET former_secrets = jsonb_build_array(
    jsonb_build_object('secret', previous_secret, 'until', previous_until)
)
WHERE previous_secret IS NOT NULL AND previous_until > now();
ALTER TABLE endpoints DROP COLUMN previous_secret, DROP COLUMN previous_until;
