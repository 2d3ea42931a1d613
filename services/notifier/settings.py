"""What can be set for the notifier."""

from pathlib import Path

from pydantic import Field

from shared.settings import GoogleSettings


class Settings(GoogleSettings):
    """The common settings, and where pushes go."""

    push_server: str = Field("https://api.push.apple.com:443", pattern="^https://")
    """Apple's push server, or one that stands for it in tests."""
    google_rate: float = Field(20, gt=0, le=100_000)
    """Requests a second that Google Wallet allows a project of Google Cloud."""
    push_root: Path | None = None
    """A PEM file of who vouches for the push server; whom the system trusts if unset."""
