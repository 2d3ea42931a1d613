"""The settings of the member service."""

from shared.settings import CommonSettings


class Settings(CommonSettings):
    """Nothing beyond what every service has."""
