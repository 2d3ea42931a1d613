"""The way to Google Wallet's API: service accounts, their tokens, requests."""
