"""HTTP: each dialect translates its words into the same use cases."""
