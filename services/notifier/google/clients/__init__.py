"""The way out to Google."""
