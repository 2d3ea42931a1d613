"""What one core does without any I/O: RSA signatures, the signing kernel, conditions, and more."""

import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime

from services.demo import IMAGES, TEMPLATE
from services.generator.renderers.apple import (
    NO_IMAGES,
    IdentitySigner,
    RenderJob,
    TemplateBundle,
)
from shared.contracts.gateway import ImageReference
from shared.contracts.triggers import Pass
from shared.identifiers import new_handle, new_id, new_serial
from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.pass_json import AppleIssuer
from shared.passes.apple.tokens import PassTokens
from shared.passes.google.projection import GoogleProjector
from shared.passes.language.conditions import compile_condition
from shared.passes.language.state import PassState
from shared.passes.links.tokens import LinkClaims, LinkSealer, new_link_key
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument
from tests.bench.issuing import POINTS

PASSES = 500
MAX_SECONDS = 3.0
CONDITIONS = (
    "!registered",
    "scanned",
    f"{{{POINTS}}} > 20",
    f"{{{POINTS}}} !isEmpty",
    '{structure_secondaryFields_name_value} = "Member 7"',
    f'{{passType}} = "storeCard" AND {{{POINTS}}} !< 10 OR (installed AND !deleted)',
)
"""Those of the reference's tutorials."""


def openssl_rsa_per_second(seconds: float) -> float:
    """R: signatures per second of one core."""
    if shutil.which("openssl") is None:
        raise SystemExit("openssl is needed to measure R: apt-get install openssl")
    whole = max(1, round(min(seconds, MAX_SECONDS)))
    output = subprocess.run(
        ["openssl", "speed", "-seconds", str(whole), "rsa2048"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    line = next(line for line in output.splitlines() if line.startswith("rsa 2048"))
    return float(line.split()[-2])


def kernel_per_second(seconds: float) -> float:
    """Composing, hashing and signing, ready to be stored, on one core."""
    now = datetime.now(UTC)  # noqa: TID251 - a measurement, not business
    bundle = _bundle(now)
    passes = [
        Pass(
            handle=new_handle(),
            account_id=new_id(),
            template_id=bundle.template_id,
            serial_number=new_serial(),
            version=1,
            values={POINTS: n},
            member={"name": f"Member {n}", "tier": "Gold"},
            created_at=now,
            updated_at=now,
        )
        for n in range(PASSES)
    ]

    def turn() -> int:
        for pass_ in passes:
            RenderJob(bundle, pass_, None, NO_IMAGES, sign=True).render(now)
        return len(passes)

    return _per_second(turn, seconds)


def evaluations_per_second(seconds: float) -> float:
    """Compiled conditions asked of passes, on one core."""
    now = datetime.now(UTC)  # noqa: TID251 - a measurement, not business
    document = TemplateDocument.model_validate({"pass": TEMPLATE["pass"]})
    template = compile_template(document, name="Bench", organization="Bench")
    conditions = [compile_condition(text, template.path_index) for text in CONDITIONS]
    states = [
        PassState(
            "handle",
            "serial",
            {POINTS: n % 40},
            {"name": f"Member {n}", "tier": "Gold"},
            voided=False,
            changed_at=now,
            happened=frozenset({"registered", "scanned"} if n % 2 else {"installed"}),
            literal=frozenset(),
        )
        for n in range(PASSES)
    ]

    def turn() -> int:
        for state in states:
            expansion = template.expansion(state)
            for condition in conditions:
                condition.holds(expansion)
        return len(states) * len(conditions)

    return _per_second(turn, seconds)


def google_compose_per_second(seconds: float) -> float:
    """Composing the card, then class and object with their hashes, on one core: 10,000 at least."""
    now = datetime.now(UTC)  # noqa: TID251 - a measurement, not business
    images = dict.fromkeys(IMAGES, "0" * 64)
    document = TemplateDocument.model_validate(
        {
            **{key: TEMPLATE[key] for key in ("pass", "properties", "triggers", "barcode_policy")},
            "images": images,
        }
    )
    template = compile_template(document, name="Bench", organization="Bench")
    projector = GoogleProjector(
        document,
        template,
        template_id=new_id(),
        issuer_id="3388000000000000000",
        base_url="https://passes.example",
    )
    states = [
        PassState(
            new_handle(),
            new_serial(),
            {POINTS: n},
            {"name": f"Member {n}", "tier": "Gold"},
            voided=False,
            changed_at=now,
            literal=frozenset(),
        )
        for n in range(PASSES)
    ]
    secret = bytes(32)

    def turn() -> int:
        for state in states:
            projector.project(template.card(state), state, secret=secret, at=now)
        return len(states)

    return _per_second(turn, seconds)


def links_per_second(seconds: float) -> float:
    """Links made: claims written and sealed, on one core."""
    sealer = LinkSealer(new_link_key(), account_id=new_id(), program_id=new_id())
    member = {"name": "Percy PassKit", "email": "percy@passkit.example", "external_id": "4711"}

    def turn() -> int:
        for n in range(PASSES):
            claims = LinkClaims(
                link_id=new_id(),
                member=member,
                values={POINTS: n},
                campaign="autumn",
                source="mail",
            )
            sealer.seal(claims.to_bytes())
        return PASSES

    return _per_second(turn, seconds)


def _bundle(now: datetime) -> TemplateBundle:
    identity = DevelopmentAuthority.create(now).issue("pass.bench", "BENCHTEAM1", "Bench", now)
    image = ImageReference(sha256="0" * 64, sha1="0" * 40, crc32=1, size=1)
    images = {f"{name}.png": image for name in IMAGES}
    document = TemplateDocument.model_validate(
        {key: TEMPLATE[key] for key in ("pass", "properties", "triggers", "barcode_policy")}
    )
    return TemplateBundle(
        new_id(),
        1,
        document,
        compile_template(document, name="Bench", organization="Bench"),
        images,
        {},
        {},
        {name: one.sha1 for name, one in images.items()},
        AppleIssuer("pass.bench", "BENCHTEAM1", "https://passes.example/wallet"),
        IdentitySigner(identity, 1),
        PassTokens([bytes(32)]),
    )


def _per_second(turn: Callable[[], int], seconds: float) -> float:
    """Repeat what says how much it did."""
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < min(seconds, MAX_SECONDS):
        count += turn()
    return count / (time.perf_counter() - started)
