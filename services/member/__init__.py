"""The people an account knows, their points, and how they came to their passes.

Owns members (one row each; a deleted one leaves a row without personal data, so that its version
keeps rising), the append-only ledger of their points, their enrolments (one for each template and
member, gone with the member) and how often limited links were used.

Answers SaveMember, DeleteMember, AdjustPoints, EnrolMember, ConfirmEnrolment; ReadMember,
ListMembers, ListPoints, ListEnrolments.

Announces MembersChanged: once per batch, the newest state of each member that changed.
MembersEnrolled: who enrolled, and with whom other data came than the member has; ids only.

Listens to PointsAdjusted: what rules of passes have done to points.
"""
