"""Devices with Wallet: they register, are pushed, ask what is new, fetch, and leave."""
