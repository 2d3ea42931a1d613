"""What can be set on the gateway."""

from pydantic import Field

from shared.settings import CommonSettings


class Settings(CommonSettings):
    """The common settings, and what may be fetched."""

    allow_loopback_images: bool = Field(
        default=False, validation_alias="PASSWRIGHT_ALLOW_LOOPBACK_WEBHOOKS"
    )
    """Whether images may be fetched from this machine: on a developer's own only."""
