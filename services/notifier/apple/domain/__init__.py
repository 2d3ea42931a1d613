"""The rules of devices and pushes, without I/O."""
