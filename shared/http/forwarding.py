"""Whom a request comes from, where a proxy stands in front, and from which network."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp import hdrs, web

Networks = Sequence[IPv4Network | IPv6Network]

TRUSTED_PROXIES: Final = web.AppKey("trusted_proxies", Networks)
"""Whose Forwarded and X-Forwarded-For an application believes; nobody's if unset."""

NETWORK_BITS: Final = {4: 24, 6: 56}
"""What counts as one network, by the version of the protocol."""

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ELEMENT = re.compile(rf'(?:[^,"]|{_QUOTED})+')
_LINE = re.compile(rf'(?:[^"]|{_QUOTED})*')
_FOR = re.compile(rf'(?:^|;)\s*for\s*=\s*({_QUOTED}|[^;"\s]*)', re.IGNORECASE)
_NODE = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\w+)?|([0-9.]+)(?::\w+)?")


def client_address(request: web.Request) -> str:
    """Return the address of the client: the last one that is no trusted proxy's.

    What stands further left the client may have made up. A proxy may write one of the two headers
    and pass on what the client wrote into the other: where they disagree neither is believed.
    """
    address = request.remote or ""
    proxies = request.app.get(TRUSTED_PROXIES, ())
    if not _is_among(address, proxies):
        return address
    told = {_last_stranger(address, hops, proxies) for hops in _chains(request) if hops}
    return told.pop() if len(told) == 1 else address


@lru_cache(maxsize=10_000)
def network_of(address: str) -> str:
    """Name the network that an address is in; what is no address is one by itself."""
    found = _parse(address)
    if found is None:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(ip_network(f"{found}/{NETWORK_BITS[found.version]}", strict=False))


def _chains(request: web.Request) -> tuple[list[str], list[str]]:
    """Read X-Forwarded-For, and Forwarded (RFC 7239): who asked whom, the nearest last."""
    lines = request.headers.getall(hdrs.X_FORWARDED_FOR, [])
    customary = [hop for line in lines for hop in line.split(",")]
    standard = [hop for line in request.headers.getall(hdrs.FORWARDED, []) for hop in _hops(line)]
    return customary, standard


def _hops(line: str) -> list[str]:
    """Read one line of Forwarded; where a quote stays open nobody knows what it says."""
    if not _LINE.fullmatch(line):
        return [""]
    found = [_FOR.search(element) for element in _ELEMENT.findall(line)]
    return [match[1].strip('"') if match else "" for match in found]


def _last_stranger(address: str, hops: list[str], proxies: Networks) -> str:
    while hops and _is_among(address, proxies) and (hop := _address(hops[-1])):
        address = hop
        hops.pop()
    return address


def _address(hop: str) -> str | None:
    """Read an address, with a port or without; None if it is none."""
    node = _NODE.fullmatch(hop.strip())
    text = (node[1] or node[2]) if node else hop.strip()
    return text if _parse(text) else None


def _is_among(address: str, networks: Networks) -> bool:
    found = _parse(address) if networks else None
    return found is not None and any(found in network for network in networks)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
