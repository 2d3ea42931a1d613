"""What the triggers service does with the messages it gets."""
