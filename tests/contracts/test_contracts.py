"""The wire stays readable for those who were deployed earlier."""

import json
import re
from datetime import UTC, date
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, cast, get_args, get_origin
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.contracts.message import Event, Message, Request
from shared.contracts.services import LISTENERS
from shared.contracts.triggers import EventsLogged
from shared.messaging.topology import ROUTES
from tests.contracts.compatibility import Schema, breaks, contracts, models, shape
from tests.contracts.write_snapshots import SNAPSHOTS

CONTRACTS = [pytest.param(contract, id=contract.name) for contract in contracts()]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contract_breaks_nobody(contract: type[Message]):
    snapshot = json.loads((SNAPSHOTS / f"{contract.name}.json").read_text())

    for kind, model in models(contract).items():
        assert list(breaks(snapshot[kind], shape(model))) == []


@pytest.mark.parametrize("contract", CONTRACTS)
def test_what_is_new_is_written_down(contract: type[Message]):
    snapshot = json.loads((SNAPSHOTS / f"{contract.name}.json").read_text())

    now = {kind: shape(model) for kind, model in models(contract).items()}

    assert snapshot == json.loads(json.dumps(now)), "python -m tests.contracts.write_snapshots"


def test_no_contract_was_taken_away():
    names = {contract.name for contract in contracts()}

    assert {path.stem for path in SNAPSHOTS.glob("*.json")} == names


def test_wire_names_are_unique_versioned_and_begin_with_their_owner():
    names = [contract.name for contract in contracts()]

    assert len(names) == len(set(names))
    for contract in contracts():
        assert re.fullmatch(r"[a-z]+\.[a-z_]+\.v[1-9]\d*", contract.name)
        assert contract.name.partition(".")[0] == contract.__module__.rpartition(".")[2]
        assert contract.name.partition(".")[0] in LISTENERS
        assert "name" in vars(contract)


def test_every_event_has_a_listener_and_a_route_in_each_lane():
    events = {contract for contract in contracts() if issubclass(contract, Event)}

    assert {event for listened in LISTENERS.values() for event in listened} == events
    for event in events:
        assert ROUTES[event.name, "interactive"]
        assert ROUTES[event.name, "bulk"]


def test_every_request_names_its_reply():
    for contract in contracts():
        if issubclass(contract, Request):
            assert issubclass(contract.reply, BaseModel)


def changed(required: tuple[str, ...] = (), optional: str = "", **fields: Schema | None) -> Schema:
    """The contract with fields of its rows set, taken away (None) or required."""
    schema = shape(EventsLogged)
    row = schema["properties"]["events"]["items"]
    row["properties"] |= fields
    row["properties"] = {name: field for name, field in row["properties"].items() if field}
    must = [*row["required"], *required]
    row["required"] = [name for name in must if name in row["properties"] and name != optional]
    return schema


TEXT_FIELD: Schema = {"type": "string"}


@pytest.mark.parametrize(
    "new",
    [
        changed(kind=None),
        changed(handle=None, name=TEXT_FIELD, required=("name",)),
        changed(handle=None, name={**TEXT_FIELD, "default": ""}),
        changed(version=TEXT_FIELD),
        changed(data={"type": "object", "additionalProperties": True, "default": None}),
        changed(kind={**TEXT_FIELD, "enum": ["scan"]}),
        changed(member_id=TEXT_FIELD),
        changed(colour=TEXT_FIELD, required=("colour",)),
        changed(optional="version"),
        changed(required=("data",)),
    ],
    ids=[
        "gone", "renamed", "renamed with default", "type", "default", "choices", "not null",
        "new required", "now optional", "now required",
    ],
)  # fmt: skip
def test_a_break_is_seen(new: Schema):
    assert list(breaks(shape(EventsLogged), new)) != []


def test_a_new_optional_field_is_no_break():
    new = changed(colour={**TEXT_FIELD, "default": ""})

    assert list(breaks(shape(EventsLogged), new)) == []


class OlderEvent(Event):
    name: ClassVar = "notifier.older.v1"

    handle: str


def test_an_older_consumer_ignores_what_it_does_not_know():
    newer = b'{"handle":"blue","colour":"red","more":{"deep":[1]}}'

    assert OlderEvent.model_validate_json(newer) == OlderEvent(handle="blue")


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_message_and_reply_ignores_what_it_does_not_know(contract: type[Message]):
    for model in models(contract).values():
        assert model.model_config.get("extra", "ignore") == "ignore"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_what_is_written_without_defaults_reads_the_same(contract: type[Message]):
    for model in models(contract).values():
        check_round_trip(model)


def check_round_trip(model: type[BaseModel]) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(values(model))
    def check(value: BaseModel) -> None:
        wire = value.model_dump_json(exclude_defaults=True)

        assert model.model_validate_json(wire) == value

    check()


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
WHOLE = st.integers(-(2**53), 2**53)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
PLAIN: dict[object, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: WHOLE,
    bool: st.booleans(),
    bytes: st.binary(max_size=8),
    UUID: st.uuids(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    date: st.dates(),
    type(None): st.none(),
    Any: JSON,
}


def values(kind: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one line per kind of type
    """Any value of a contract's type, optional fields sometimes left out."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of([values(argument) for argument in arguments])
    if origin is Annotated:
        return values(arguments[0])
    if origin is list:
        return st.lists(values(arguments[0]), max_size=2)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=2)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = kind.model_fields
        must = {n: values(f.annotation) for n, f in fields.items() if f.is_required()}
        may = {n: values(f.annotation) for n, f in fields.items() if not f.is_required()}
        made = st.fixed_dictionaries(must, optional=may)
        return made.map(cast("Any", kind.model_validate))
    assert kind.__name__ == "datetime"
    return st.datetimes(timezones=st.just(UTC))
