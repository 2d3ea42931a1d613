"""What schemathesis loads: which refusals are right, and what keeps a run from ending itself.

It runs in the process of schemathesis, which is told by the environment what the world holds.
"""

import json
import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response

from tests.conformance.exceptions import REFUSED

KEPT = frozenset(json.loads(Path(os.environ["CONFORMANCE_WORLD"]).read_text())["kept"])  # noqa: TID251 - of another process
NOTHING = str(UUID(int=0))
ENDING = ("DELETE", "revoke_key", "rotate_key")

_number = count(1)


@schemathesis.hook  # pyright: ignore[reportUnknownMemberType]
def filter_failure(
    context: HookContext, failure: Failure, case: Case[Any], response: Response
) -> bool:
    """Let valid data be refused for the reasons that are written down, and for no other."""
    if "positive_data_acceptance" not in failure.checks:
        return True
    return REFUSED.keys().isdisjoint(kinds_of(case, response))


@schemathesis.hook  # pyright: ignore[reportUnknownMemberType]
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Keep alive what all requests need, and make no request the repeat of another."""
    if case.method in ENDING or name_of(case) in ENDING:
        spare(case.path_parameters)
    if "delete" in str(case.path_parameters.get("function")).lower():
        spare(case.query)
    if (
        isinstance(case.body, dict)
        and case.body.get("template_id")
        and name_of(case) == "send_message"
    ):
        case.body.pop("handle", None)  # a dictionary knows nothing of oneOf
    is_valid = case.meta is None or not case.meta.generation.mode.is_negative
    if is_valid and "Idempotency-Key" in case.headers:  # pyright: ignore[reportUnknownMemberType]
        case.headers["Idempotency-Key"] = f"run-{next(_number)}"  # pyright: ignore[reportUnknownMemberType]


def spare(values: dict[str, Any]) -> None:
    """Put what is not there in place of what is needed on."""
    for name, value in values.items():
        if str(value) in KEPT:
            values[name] = NOTHING


def kinds_of(case: Case[Any], response: Response) -> Iterator[str]:
    """Name the refusal in the words of the exceptions."""
    if not response.content:
        yield f"{name_of(case)} {response.status_code}"
        return
    problem = response.json()
    if problem.get("status") == "error":  # the WalletPass.ai API
        for place in [fault["path"] for fault in problem["errors"]] or [problem["code"]]:
            yield re.sub(r"\[\d+\]", "", f"walletpass {place}")
        return
    if "message" in problem:  # the Pass2U API says no more than this
        for fault in problem["message"].split("; "):
            yield re.sub(r"\[\d+\]", "", f"pass2u {fault.partition(':')[0]}")
        return
    yield problem["code"]
    pointers = {fault["pointer"] for fault in problem.get("errors", ())}
    places = {"/".join(pointer.split("/", 2)[:2]) or "#" for pointer in pointers}
    if len(places) == 1:
        yield f"{problem['code']} {places.pop()}"


def name_of(case: Case[Any]) -> str:
    operation: Any = case.operation
    return operation.definition.raw["operationId"]
