"""Who a client is, a proxy may say that is trusted, and nobody else."""

from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from shared.http.forwarding import TRUSTED_PROXIES, client_address

PROXY = "10.0.0.7"


def address_of(peer: str, *forwarded: str, trusted: tuple[str, ...] = ("10.0.0.0/8", "fd00::/8")):
    app = web.Application()
    app[TRUSTED_PROXIES] = [ip_network(text) for text in trusted]
    headers = [("X-Forwarded-For", line) for line in forwarded]
    request = make_mocked_request("GET", "/", headers=headers, app=app)  # type: ignore[arg-type]
    return client_address(request.clone(remote=peer))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        (PROXY, [], PROXY),
        (PROXY, ["198.51.100.1"], "198.51.100.1"),
        (PROXY, ["2001:db8::1"], "2001:db8::1"),
        ("fd00::1", ["198.51.100.1"], "198.51.100.1"),
        (PROXY, ["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
        (PROXY, ["192.0.2.66", "198.51.100.1, 10.0.0.8"], "198.51.100.1"),
        (PROXY, ["made up"], PROXY),
        (PROXY, [""], PROXY),
    ],
)
def test_client_is_the_last_address_that_is_no_trusted_proxy(
    peer: str, forwarded: list[str], client: str
):
    assert address_of(peer, *forwarded) == client


def test_nobody_is_believed_unless_told():
    assert address_of(PROXY, "198.51.100.1", trusted=()) == PROXY
