"""What the member service does when it is asked: lock, change, store, announce."""
