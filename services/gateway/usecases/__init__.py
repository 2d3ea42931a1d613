"""What every dialect does: issue, change and read passes, push them, send messages, export."""
