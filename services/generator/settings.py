"""What can be set for the generator."""

from pydantic import Field

from shared.settings import CommonSettings


class Settings(CommonSettings):
    """How many threads render."""

    render_threads: int = Field(2, ge=1, le=64)
    """Signing releases the interpreter's lock, so threads render in parallel."""
