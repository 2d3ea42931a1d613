"""Clicks on links of persons who come for the first time: each makes a member and a pass."""

from collections.abc import Iterator
from uuid import UUID

import orjson

from shared.identifiers import new_id
from shared.passes.links.tokens import LinkClaims, LinkSealer
from shared.sealing import read_base64url
from tests.bench.client import Measured, Wire, measure, open_wires
from tests.bench.issuing import (
    POINTS,
    SINGLES_AT_ONCE,
    WARMING_UP,
    create_template,
    until_fetchable,
)
from tests.system import System


async def measure_clicks(system: System, seconds: float) -> Measured:
    """Click on one link after the other: durable before the 303, fetchable at the end."""
    handles: list[str] = []
    links = make_links(await read_key_file(system))

    async def click(wire: Wire, link: str) -> None:
        answer = await wire.get(link)
        assert answer.status == 303, answer.body[:500]
        handles.append(answer.header("Location").removeprefix("/p/"))

    with open_wires(SINGLES_AT_ONCE, system.base_url) as wires:
        measured = await measure(wires, links, click, seconds=seconds, warming_up=WARMING_UP)
    await until_fetchable(system, handles)
    return measured


async def read_key_file(system: System) -> dict[str, str]:
    """Make a link program of the demo's template, and export its key."""
    body = {"name": "Bench", "template_id": await create_template(system)}
    with open_wires(1, system.base_url, system.api_key) as (wire,):
        answer = await wire.post("/v1/link-programs", orjson.dumps(body))
        assert answer.status == 201, answer.body
        program_id = orjson.loads(answer.body)["program_id"]
        answer = await wire.get(f"/v1/link-programs/{program_id}/key-file")
        return orjson.loads(answer.body)


def make_links(key_file: dict[str, str]) -> Iterator[str]:
    """Make links of persons that nobody knows yet."""
    program_id = key_file["program_id"]
    sealer = LinkSealer(
        read_base64url(key_file["key"]),
        account_id=UUID(key_file["account_id"]),
        program_id=UUID(program_id),
    )
    while True:
        link_id = new_id()
        member = {"name": "Percy PassKit", "external_id": str(link_id)}
        claims = LinkClaims(link_id=link_id, member=member, values={POINTS: 5}, campaign="bench")
        yield f"/c/{program_id}?data={sealer.seal(claims.to_bytes())}"
