"""What can be set for the gateway."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from services.gateway.domain.batches import MEBIBYTES
from shared.settings import GoogleSettings, PublicUrl

MOST: Final = 1_000_000


def _split(text: object) -> object:
    return [part.strip() for part in text.split(",")] if isinstance(text, str) else text


class Settings(GoogleSettings):
    """The common settings, who stands in front, and how often somebody may ask."""

    trusted_proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split)
    ] = ()
    """Networks of the proxies whose Forwarded or X-Forwarded-For names the client."""

    limit_per_network: int = Field(50, ge=0, le=MOST)
    """Requests a second from one network (/24, /56) that show no good key; 0: no limit."""
    limit_network_burst: int = Field(1000, ge=1, le=MOST)
    """How many may come at once; carriers and stadiums have many people in one network."""
    limit_per_key: int = Field(2000, ge=0, le=MOST)
    """Requests a second with one API key or client hash; 0: no limit."""
    limit_key_burst: int = Field(10_000, ge=1, le=MOST)
    pass2u_limit: int = Field(100, ge=0, le=MOST)
    """Requests of one API key to one operation of the Pass2U API in any second, over all gateways;
    0: no limit."""
    batch_mebibytes: int = Field(MEBIBYTES, ge=1, le=MOST)
    """How long the file of a batch may be, in MiB."""
    batch_days: int = Field(7, ge=0, le=3650)
    """Days after which the file and the results of a batch that has ended are deleted."""
    walletpass_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    """Host names of which /v1 and /demo are those of the WalletPass.ai API."""
    operator: str = Field("", max_length=200)
    """Who runs this installation, as its home page says."""
    demo: Path | None = None
    """The file that names the pass which the home page shows; `run` sets it."""
    short_url: PublicUrl | None = None
    """Another address of the gateway, for short links; the public one if unset."""
