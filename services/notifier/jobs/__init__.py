"""What the clock starts in the notifier."""
