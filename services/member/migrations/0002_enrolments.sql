-- That a member came to a template's pass. It goes with the member; its external id is the member's.
CREATE TABLE enrolments (
    account_id uuid NOT NULL,
    enrolment_id uuid NOT NULL,
    template_id uuid NOT NULL,
    member_id text COLLATE "C" NOT NULL,
    handle text COLLATE "C" NOT NULL,
    replaced_handle text COLLATE "C", -- the one before, whose pass was deleted
    program_id uuid,
    campaign text NOT NULL,
    open_link_id uuid, -- the link that gives it again, until its pass was made
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, enrolment_id),
    UNIQUE (account_id, template_id, member_id),
    UNIQUE (account_id, handle)
);
CREATE INDEX enrolments_of_member ON enrolments (account_id, member_id, enrolment_id);
CREATE INDEX enrolments_replaced ON enrolments (account_id, replaced_handle)
    WHERE replaced_handle IS NOT NULL;
CREATE INDEX enrolments_open ON enrolments (account_id, open_link_id, enrolment_id)
    WHERE open_link_id IS NOT NULL;

-- How many enrolments were made for a link that is limited. It never falls, whoever is deleted.
CREATE TABLE link_uses (
    account_id uuid NOT NULL,
    link_id uuid NOT NULL,
    uses bigint NOT NULL,
    PRIMARY KEY (account_id, link_id)
) WITH (fillfactor = 85);
