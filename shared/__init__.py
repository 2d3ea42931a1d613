"""Mechanism that every service stands on, and the two places with business words: contracts and passes."""
