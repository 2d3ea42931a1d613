"""Links as PassKit has them, under /c: a click makes a pass."""
