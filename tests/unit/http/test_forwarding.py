"""Who a client is, a proxy may say that is trusted, and nobody else."""

from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from shared.http.forwarding import TRUSTED_PROXIES, client_address, network_of

PROXY = "10.0.0.7"


def address_of(
    peer: str,
    *forwarded: str,
    standard: tuple[str, ...] = (),
    trusted: tuple[str, ...] = ("10.0.0.0/8", "fd00::/8"),
):
    app = web.Application()
    app[TRUSTED_PROXIES] = [ip_network(text) for text in trusted]
    headers = [("X-Forwarded-For", line) for line in forwarded]
    headers += [("Forwarded", line) for line in standard]
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
        (PROXY, ["198.51.100.1:4711"], "198.51.100.1"),
        (PROXY, ["[2001:db8::1]:4711"], "2001:db8::1"),
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
    assert address_of(PROXY, standard=("for=198.51.100.1",), trusted=()) == PROXY


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["for=198.51.100.1"], "198.51.100.1"),
        (['For="[2001:db8::1]:4711";proto=https;by=10.0.0.7'], "2001:db8::1"),
        (["proto=https; for=198.51.100.1:80"], "198.51.100.1"),
        (["for=192.0.2.66, for=198.51.100.1, for=10.0.0.8"], "198.51.100.1"),
        (["for=192.0.2.66", 'for="198.51.100.1"'], "198.51.100.1"),
        (['for="192.0.2.66, for=192.0.2.67", for=198.51.100.1'], "198.51.100.1"),
        (["for=unknown"], PROXY),
        (["for=192.0.2.66, for=_hidden"], PROXY),
        (["for=192.0.2.66, proto=https"], PROXY),
        (["x-for=192.0.2.66"], PROXY),
        (['for=192.0.2.66;a=", for="[2001:db8::1]"'], PROXY),
        ([""], PROXY),
    ],
)
def test_forwarded_names_the_client_too(lines: list[str], client: str):
    assert address_of(PROXY, standard=tuple(lines)) == client


def test_headers_that_agree_are_believed_and_those_that_disagree_are_not():
    forged = ("for=192.0.2.66",)

    assert address_of(PROXY, "198.51.100.1", standard=("for=198.51.100.1",)) == "198.51.100.1"
    assert address_of(PROXY, "198.51.100.1", standard=forged) == PROXY
    assert address_of("203.0.113.9", "198.51.100.1", standard=forged) == "203.0.113.9"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.7", "192.0.2.200", True),
        ("192.0.2.7", "192.0.3.7", False),
        ("::ffff:192.0.2.7", "192.0.2.9", True),
        ("2001:db8:1:1::1", "2001:db8:1:ff::2", True),
        ("2001:db8:1:100::1", "2001:db8:1:200::1", False),
        ("", "", True),
    ],
)
def test_network_is_that_of_a_neighbourhood(one: str, other: str, *, same: bool):
    assert (network_of(one) == network_of(other)) is same
