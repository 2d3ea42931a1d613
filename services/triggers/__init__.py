"""The life of a pass.

Owns passes with their values, the event log, counters, durable runs, and projections of whole
templates, of accounts' credentials and of members. It is
the only writer of pass state and the authority on values: a pass changes only because something
happened to it, and an event, its rules and the new state are one transaction.

Answers `CreatePass`, `ChangePass`, `PushPasses` and the questions about passes; listens to the
catalogue, members and devices; announces `PassesChanged`, `PassesDeleted` and `EventsLogged`.
"""
