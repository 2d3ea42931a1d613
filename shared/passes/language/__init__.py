"""What templates say of a pass's state: paths, texts with magic words, conditions, rules."""
