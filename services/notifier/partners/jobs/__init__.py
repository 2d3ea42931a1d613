"""What the clock starts for partners."""
