"""The servers Passwright brings along, so that it runs on a machine without Docker."""
