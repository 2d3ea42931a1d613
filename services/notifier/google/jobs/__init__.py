"""What the clock starts for Google."""
