"""Renders passes: template and values become composed and signed content.

Owns the last known state of each pass with its content (pass.json, manifest, the signature's
value), and projections of templates, identities, images' hashes and accounts' credentials.
Private keys arrive sealed and are opened in memory only.

Listens to `PassesChanged`, `PassesDeleted` and the catalogue; answers `ReadContent`; announces
`ContentBuilt` when, and only when, the bytes of a pass are new.
"""
