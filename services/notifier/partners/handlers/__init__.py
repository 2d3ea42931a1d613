"""What is done about endpoints and deliveries, a module for each."""
