"""The notifier's settings."""

from shared.settings import CommonSettings


class Settings(CommonSettings):
    allow_loopback_webhooks: bool = False
    """Whether webhooks may go to this machine, and over plain HTTP; for development only."""
