"""Pass2U's Pass API 2.0, under /v2."""
