"""The member service's tables. Whoever changes members has locked them first, all at once."""
