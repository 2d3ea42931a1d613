"""Partners: where they want to hear what happened, and whether they have heard it."""
