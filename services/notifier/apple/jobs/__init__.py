"""What the clock starts for devices."""
