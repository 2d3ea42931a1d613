"""The way out to Apple."""
