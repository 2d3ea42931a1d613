"""A virtual wallet: devices that install passes, register, follow pushes, and a fleet of them."""
