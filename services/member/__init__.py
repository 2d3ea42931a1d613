"""The people an account knows, and their points.

Owns members (one row each; a deleted one leaves a row without personal data, so that its version
keeps rising) and the append-only ledger of their points.

Answers SaveMember, DeleteMember, AdjustPoints; ReadMember, ListMembers, ListPoints.

Announces MembersChanged: once per batch, the newest state of each member that changed.

Listens to nothing.
"""
