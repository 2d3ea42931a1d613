"""The rules of webhooks, without I/O."""
