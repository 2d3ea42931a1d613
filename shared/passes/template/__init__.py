"""A template: its document and the check of it, compiled, laid under the values of a pass."""
