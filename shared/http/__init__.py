"""HTTP for every service: one table of endpoints gives routing, validation and OpenAPI."""
