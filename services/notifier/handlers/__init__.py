"""What the notifier does about messages, a module for each thing they are about."""
