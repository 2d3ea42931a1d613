"""What Google Wallet calls."""
