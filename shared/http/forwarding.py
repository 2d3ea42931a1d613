"""Whom a request comes from, where a proxy stands in front."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from aiohttp import hdrs, web

Networks = Sequence[IPv4Network | IPv6Network]

TRUSTED_PROXIES: Final = web.AppKey("trusted_proxies", Networks)
"""Whose X-Forwarded-For an application believes; nobody's if unset."""


def client_address(request: web.Request) -> str:
    """Return the address of the client: the last one that is no trusted proxy's.

    What stands further left in X-Forwarded-For the client may have made up.
    """
    proxies = request.app.get(TRUSTED_PROXIES, ())
    lines = request.headers.getall(hdrs.X_FORWARDED_FOR, [])
    hops = [hop.strip() for line in lines for hop in line.split(",")]
    address = request.remote or ""
    while hops and _is_among(address, proxies) and _is_address(hops[-1]):
        address = hops.pop()
    return address


def _is_among(address: str, networks: Networks) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
