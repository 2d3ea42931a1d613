"""What is done about messages, a module for each thing they are about."""
