-- Passes are found by member, e-mail, voided and expired, always in the order of their creation.
DROP INDEX passes_of_member, passes_expiring;
CREATE INDEX passes_of_member ON passes (account_id, member_id, position)
    WHERE deleted_at IS NULL AND member_id IS NOT NULL;
CREATE INDEX passes_voided ON passes (account_id, position) WHERE deleted_at IS NULL AND voided;
CREATE INDEX passes_expired ON passes (account_id, position) WHERE deleted_at IS NULL AND expired;

-- When a date passes whose event is not logged yet. It is one expression with statistics of its own:
-- by those of its two columns the planner would take the few that are due for very many.
CREATE INDEX passes_due ON passes ((CASE WHEN NOT expired THEN expires_at END))
    WHERE deleted_at IS NULL AND (CASE WHEN NOT expired THEN expires_at END) IS NOT NULL;
CREATE STATISTICS passes_due_at ON (CASE WHEN NOT expired THEN expires_at END) FROM passes;

-- A column, as an index on the expression would be written with every change of a member's points.
ALTER TABLE members ADD COLUMN email text GENERATED ALWAYS AS (lower(facts ->> 'email')) STORED;
CREATE INDEX members_of_email ON members (account_id, email) WHERE email IS NOT NULL;

ANALYZE passes, members;
