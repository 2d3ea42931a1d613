"""The catalogue in PostgreSQL: one class per thing, the account first in every finder."""
