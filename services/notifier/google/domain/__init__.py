"""The rules of what is sent to Google, without I/O."""
