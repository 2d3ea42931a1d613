"""What happened, numbered: the other parts of the notifier stand on it."""
