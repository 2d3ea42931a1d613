"""The ways out of the notifier: to partners, to Apple."""
