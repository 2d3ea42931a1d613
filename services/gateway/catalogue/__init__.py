"""What can be done with what is configured; every dialect shares it."""
