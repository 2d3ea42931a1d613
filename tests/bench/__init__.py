"""How fast the distributed system is on this machine: `make bench`, `make bench-growth`."""
