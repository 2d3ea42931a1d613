"""Renders passes: a template and the state of a pass become what a wallet reads.

Owns the newest state of each pass; what Apple Wallet gets of those that somebody has fetched
(pass.json and manifest, packed, and the signature's value); and projections of templates,
identities, images' hashes and accounts' credentials. Private keys arrive sealed and are opened in
memory only.

Listens to `PassesChanged`, `PassesDeleted` and the catalogue; answers `ReadContent`, which composes
and signs what nobody has fetched yet; announces `ContentBuilt` when, and only when, the bytes of a
pass are new.
"""
