"""Feeds one parser with altered files for a while: `… -m tests.promises.fuzzing NAME SECONDS`.

A process of its own, so that a crash is seen and memory measured; it writes what it found as JSON.
"""

import json
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, Final, cast

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from PIL import Image
from pydantic import ValidationError

from services.demo import TEMPLATE
from services.gateway.routes.passsource.words import load_json
from services.gateway.routes.v1.passes import PassOrders
from services.gateway.routes.v1.templates import NewTemplate
from shared import clock
from shared.errors import ApplicationError
from shared.http.parsing import json_parser
from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.identities import identity_to_pem
from shared.passes.apple.identity_files import read_identity
from shared.passes.schema.images import check_png, to_png
from shared.passes.template.constructor import read_constructor
from shared.passes.template.document import check_template
from tests.e2e.passsource import LOYALTY

SEED: Final = 22
WARM_RUNS: Final = 200
"""Before memory is measured: what is read or made once is then there."""
UNWELCOME: Final = (b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0" * 4, b"%", b'"', b"{", b"[", b"\r\n")
"""What lengths and syntax do not like."""

Parser = Callable[[bytes], object]

ORDERS: Final = b'{"template_id":"0198f3c2-7d4e-7a31-9c55-2f6b8f0e1a77","passes":[{"values":{}}]}'


def images(*kinds: str) -> list[bytes]:
    found: list[bytes] = []
    for kind in kinds:
        for mode in ("L", "RGB") if kind == "JPEG" else ("L", "RGB", "P"):
            output = BytesIO()
            Image.radial_gradient("L").convert(mode).save(output, kind)
            found.append(output.getvalue())
    return found


def identities() -> list[bytes]:
    now = clock.now()
    identity = DevelopmentAuthority.create(now).issue("pass.a", "TEAM", "A", now)
    locked = BestAvailableEncryption(b"secret")
    p12 = pkcs12.serialize_key_and_certificates(
        b"a", identity.private_key, identity.certificate, list(identity.intermediates), locked
    )
    return [p12, identity_to_pem(identity)]


def parse_identity(content: bytes) -> object:
    if content.startswith(b"-"):
        return read_identity(pem=content, at=clock.now())
    return read_identity(p12=content, password="secret", at=clock.now())


def parse_template(content: bytes) -> object:
    return check_template(json_parser(NewTemplate)(content).document)


def parse_constructor(content: bytes) -> object:
    constructor = load_json(content, "passConstructor")
    if not isinstance(constructor, dict):
        return None
    try:
        return check_template(read_constructor(cast("dict[str, Any]", constructor)))
    except ValidationError:
        return None  # too large, or no plain JSON: the endpoint says so


TARGETS: Final[dict[str, tuple[Parser, Callable[[], Sequence[bytes]]]]] = {
    "png": (check_png, lambda: images("PNG")),
    "pictures": (to_png, lambda: images("JPEG", "GIF", "WEBP")),
    "identities": (parse_identity, identities),
    "templates": (parse_template, lambda: [json.dumps(TEMPLATE).encode()]),
    "passes": (json_parser(PassOrders), lambda: [ORDERS]),
    "constructors": (parse_constructor, lambda: [json.dumps(LOYALTY).encode()]),
}


def alter(content: bytes, chance: random.Random) -> bytes:
    """Overwrite, cut, repeat or put in a few bytes."""
    altered = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(altered) + 1)
        match chance.randrange(4):
            case 0 if at < len(altered):
                altered[at] = chance.randrange(256)
            case 1:
                del altered[at : at + chance.randint(1, 64)]
            case 2:
                altered[at:at] = altered[at : at + chance.randint(1, 512)] * chance.randint(1, 9)
            case _:
                altered[at:at] = chance.choice(UNWELCOME)
    return bytes(altered)


def feed(name: str, seconds: float) -> dict[str, Any]:
    """Parse altered files; an error that is no refusal ends it with its traceback."""
    parse, make = TARGETS[name]
    originals, chance = make(), random.Random(SEED)
    runs = taken = warm = 0
    slowest, deadline = 0.0, time.monotonic() + seconds
    for original in originals:
        parse(original)
    while time.monotonic() < deadline or runs <= WARM_RUNS:
        content = alter(chance.choice(originals), chance)
        started = time.process_time()
        try:
            parse(content)
            taken += 1
        except ApplicationError:
            pass
        slowest = max(slowest, time.process_time() - started)
        runs += 1
        if runs == WARM_RUNS:
            warm = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - warm
    return {"runs": runs, "taken": taken, "grown_kib": grown, "slowest": slowest}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(feed(sys.argv[1], float(sys.argv[2]))))
