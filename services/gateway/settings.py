"""What can be set for the gateway."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from shared.settings import CommonSettings


def _split(text: object) -> object:
    return [part.strip() for part in text.split(",")] if isinstance(text, str) else text


class Settings(CommonSettings):
    """The common settings, and who stands in front."""

    trusted_proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split)
    ] = ()
    """Networks of the proxies whose Forwarded or X-Forwarded-For names the client."""
