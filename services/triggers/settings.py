"""What can be set for the triggers service."""

from shared.settings import CommonSettings


class Settings(CommonSettings):
    """Nothing of its own yet."""
