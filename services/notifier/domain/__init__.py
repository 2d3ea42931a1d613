"""The notifier's rules, without I/O."""
