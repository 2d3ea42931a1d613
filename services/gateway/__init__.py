"""Every HTTP dialect and page, and all that is configured.

Owns accounts, API keys, templates, images, identities and idempotency keys. Listens to nothing;
asks the other services; announces what is saved in the catalogue.
"""
