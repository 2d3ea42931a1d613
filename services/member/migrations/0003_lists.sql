-- Members are listed by name, points and age too, and found by how name, e-mail and phone begin.
-- All by B-trees within the account: as quick in a large one, and beside large ones, as in a small.
CREATE INDEX members_by_name ON members
    (account_id, left(lower(coalesce(name, '')), 64) COLLATE "C", member_id)
    WHERE NOT deleted;
CREATE INDEX members_by_last_word ON members
    (account_id, left(lower(substring(name FROM ' ([^ ]+)$')), 64) COLLATE "C")
    WHERE NOT deleted;
CREATE INDEX members_by_email ON members (account_id, lower(email) COLLATE "C")
    WHERE NOT deleted;
CREATE INDEX members_by_phone ON members
    (account_id, translate(phone, '+,x() -', '') COLLATE "C")
    WHERE NOT deleted;
CREATE INDEX members_by_tier ON members (account_id, tier, member_id)
    WHERE NOT deleted AND tier IS NOT NULL;
CREATE INDEX members_by_points ON members (account_id, points, member_id) WHERE NOT deleted;
CREATE INDEX members_by_age ON members (account_id, created_at, member_id) WHERE NOT deleted;

-- Of partial indexes the planner takes no statistics: what their expressions hold it learns here.
CREATE STATISTICS members_names ON (left(lower(coalesce(name, '')), 64)) FROM members;
CREATE STATISTICS members_last_words ON (left(lower(substring(name FROM ' ([^ ]+)$')), 64))
    FROM members;
CREATE STATISTICS members_emails ON (lower(email)) FROM members;
CREATE STATISTICS members_phones ON (translate(phone, '+,x() -', '')) FROM members;

ANALYZE members;
