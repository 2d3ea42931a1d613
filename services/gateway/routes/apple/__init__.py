"""Apple's web service for passes."""
