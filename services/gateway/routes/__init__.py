"""The doors in: each dialect translates its words into the same catalogue calls and requests."""
