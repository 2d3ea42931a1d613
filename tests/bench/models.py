"""Creates passes of a model through the Pass2U API, each with a unique barcode and two fields."""

import secrets
from itertools import count
from typing import Final

import orjson

from services.demo_model import MODEL, MODEL_IMAGES
from tests.bench.client import Measured, Wire, measure, open_wires
from tests.bench.issuing import SINGLES_AT_ONCE, WARMING_UP, save_template, until_fetchable
from tests.system import System

FIELDS: Final = [{"key": "name", "value": "Fi-Lin, Chen"}, {"key": "level", "value": "GOLD"}]


async def measure_models(system: System, seconds: float) -> Measured:
    """Post one pass after the other: durable before the 200, fetchable at the end."""
    model = await save_template(system, MODEL, MODEL_IMAGES)
    address = f"/v2/models/{model['model_id']}/passes"
    run, handles = secrets.token_hex(4), list[str]()

    async def create(wire: Wire, number: int) -> None:
        body = orjson.dumps({"barcode": {"message": f"{run}-{number}"}, "fields": FIELDS})
        answer = await wire.post(address, body)
        assert answer.status == 200, answer.body
        handles.append(orjson.loads(answer.body)["passId"])

    with open_wires(SINGLES_AT_ONCE, system.base_url, system.api_key) as wires:
        measured = await measure(wires, count(), create, seconds=seconds, warming_up=WARMING_UP)
    await until_fetchable(system, handles)
    return measured
