"""What can be set for the notifier."""

from shared.settings import CommonSettings


class Settings(CommonSettings):
    """The common settings; the notifier has none of its own."""
