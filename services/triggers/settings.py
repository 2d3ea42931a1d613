"""What can be set for the triggers service."""

from pydantic import Field

from shared.settings import CommonSettings


class Settings(CommonSettings):
    """The common settings, and when passes nobody uses are purged."""

    purge: bool = False
    """Whether passes and tracking data that are old are deleted for good."""
    purge_stale_days: int = Field(730, ge=1)
    """Days after which tracking data goes, and passes to which nothing has happened since."""
    purge_untouched_days: int = Field(183, ge=1)
    """Days after which passes go that nobody has ever scanned, checked, registered or installed."""
