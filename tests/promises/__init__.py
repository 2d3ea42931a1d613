"""Runs that are too long for every test: what Passwright promises, each promise by itself."""
