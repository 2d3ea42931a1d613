"""What can be set on the gateway."""

from pydantic import Field

from shared.settings import CommonSettings


class Settings(CommonSettings):
    """The common settings, and where the public finds us."""

    port: int = Field(8080, ge=0, le=65535)
    """Where HTTP is served; with 0 the system chooses."""
    base_url: str | None = Field(None, pattern="^https?://")
    """The address the public sees, without a slash at its end; http://localhost:<port> if unset."""

    allow_loopback_images: bool = Field(
        default=False, validation_alias="PASSWRIGHT_ALLOW_LOOPBACK_WEBHOOKS"
    )
    """Whether images may be fetched from this machine: on a developer's own only."""

    @property
    def public_url(self) -> str:
        """The address the public sees."""
        return (self.base_url or f"http://localhost:{self.port}").rstrip("/")
