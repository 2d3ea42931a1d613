"""What phones and their holders read: files of passes, a device's list, and that nothing is new."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Final
from urllib.parse import quote
from zipfile import ZipFile

import orjson

from tests.bench.client import Act, Answer, Job, Measured, Wire, measure, open_wires, run_at_once
from tests.bench.issuing import Stock
from tests.system import System

AT_ONCE: Final = 32
WARMING_UP: Final = 200
PHONES: Final = 300
MAX_PER_SECOND: Final = 1000
"""So many passes that were never fetched are there for each second; the row may end earlier."""
MEDIA: Final = "application/vnd.apple.pkpass"


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone that holds one pass; what it asks the web service, and what it shows there."""

    handle: str
    pass_type: str
    serial_number: str
    token: str
    last_modified: str
    device: str
    tag: str = ""

    @property
    def pass_path(self) -> str:
        return f"/wallet/v1/passes/{self.pass_type}/{self.serial_number}"

    @property
    def list_path(self) -> str:
        since = f"?passesUpdatedSince={quote(self.tag)}" if self.tag else ""
        return f"/wallet/v1/devices/{self.device}/registrations/{self.pass_type}{since}"

    @property
    def registration_path(self) -> str:
        device = f"/wallet/v1/devices/{self.device}"
        return f"{device}/registrations/{self.pass_type}/{self.serial_number}"

    @property
    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"ApplePass {self.token}"}


async def download(wire: Wire, handle: str) -> None:
    """Fetch the public file to its last byte."""
    answer = await wire.get(f"/p/{handle}.pkpass")
    assert answer.status == 200, answer.body
    assert answer.header("Content-Type") == MEDIA
    assert answer.body[:2] == b"PK"


async def ask_for_newer(wire: Wire, phone: Phone) -> None:
    """Ask for a pass as a phone does that has it.

    It counts as a manual update of the device: the first one happens to the pass and is logged,
    those within 30 seconds of it are only declined.
    """
    since = {"If-Modified-Since": phone.last_modified}
    answer = await wire.get(phone.pass_path, phone.credentials | since)
    assert answer.status == 304, answer


async def list_nothing_new(wire: Wire, phone: Phone) -> None:
    """Ask what is new with the tag of the list before: the common case, answered by 204."""
    answer = await wire.get(phone.list_path)
    assert answer.status == 204, answer


async def measure_reading(
    system: System, jobs: Iterable[Job], act: Act[Job], seconds: float
) -> Measured:
    """Let phones ask, without an API key, as many at once as there are connections."""
    with open_wires(AT_ONCE, system.base_url) as wires:
        return await measure(wires, jobs, act, seconds=seconds, warming_up=WARMING_UP)


async def measure_first_fetches(stock: Stock, seconds: float) -> Measured:
    """Download passes that nobody has fetched before, until the time or the passes are over."""
    handles = await stock.take(WARMING_UP + int(MAX_PER_SECOND * seconds))
    return await measure_reading(stock.system, handles, download, seconds)


async def register_phones(system: System, handles: Iterable[str]) -> list[Phone]:
    """Let new phones take a pass each, register for it, and list it once."""
    phones: list[Phone] = []

    async def register(wire: Wire, handle: str) -> None:
        phone = open_file(await wire.get(f"/p/{handle}.pkpass"), handle)
        body = orjson.dumps({"pushToken": secrets.token_hex(32)})
        answer = await wire.post(phone.registration_path, body, phone.credentials)
        assert answer.status == 201, answer
        answer = await wire.get(phone.list_path)
        assert answer.status == 200, answer
        phones.append(replace(phone, tag=orjson.loads(answer.body)["lastUpdated"]))

    with open_wires(AT_ONCE, system.base_url) as wires:
        await run_at_once(wires, handles, register)
    return phones


def open_file(answer: Answer, handle: str) -> Phone:
    """Read from the file of a pass what its phone has to know."""
    assert answer.status == 200, answer.body
    content = orjson.loads(ZipFile(BytesIO(answer.body)).read("pass.json"))
    return Phone(
        handle,
        content["passTypeIdentifier"],
        content["serialNumber"],
        content["authenticationToken"],
        answer.header("Last-Modified"),
        secrets.token_hex(16),
    )
