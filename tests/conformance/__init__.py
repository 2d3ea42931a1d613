"""The gateway held against its own OpenAPI document by schemathesis, over HTTP."""
