"""How Passwright is run: images, compose file, and the local servers of `make run` and tests."""
