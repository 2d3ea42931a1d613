"""Google Wallet: what is to be there, sent at the pace that Google allows, and what it says."""
