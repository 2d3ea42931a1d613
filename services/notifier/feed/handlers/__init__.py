"""What is done about messages that tell of happenings, or ask for them."""
