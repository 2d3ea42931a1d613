"""The generator's tables, one class for each thing."""
