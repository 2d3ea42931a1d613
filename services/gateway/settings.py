"""What can be set for the gateway."""

from shared.settings import CommonSettings


class Settings(CommonSettings):
    """The common settings; the gateway has none of its own."""
