"""The triggers service's tables, one class for each thing."""
