"""What a permit lets through, and where a form may lead."""

from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from services.gateway.catalogue.passcodes import (
    PERMITTED,
    PasscodeNeededError,
    Passcodes,
    cookie_name,
)
from services.gateway.catalogue.passwords import MAX_PASSWORD_CHARACTERS, Passwords
from services.gateway.routes.pages.errors import way_back
from shared import clock
from shared.contracts.triggers import Pass
from shared.database import Database
from shared.sealing import MasterKeys

HANDLE, OTHER = "0" * 32, "v" * 32
OLD, NEW = MasterKeys.generate_text(), MasterKeys.generate_text()
NOON = clock.now()


def a_pass(handle: str = HANDLE, passcode: str | None = "scrypt.a.b") -> Pass:
    return Pass(
        handle=handle, account_id=UUID(int=1), template_id=UUID(int=2), serial_number="1",
        version=1, values={}, created_at=NOON, updated_at=NOON, passcode=passcode,
    )  # fmt: skip


def passcodes(*keys: str) -> Passcodes:
    return Passcodes(cast("Database", None), Passwords(), MasterKeys.parse(",".join(keys)))


def is_let_in(issued: Pass, permit: str, *keys: str) -> bool:
    try:
        passcodes(*(keys or [NEW])).guard(issued, {cookie_name(issued.handle): permit})
    except PasscodeNeededError:
        return False
    return True


def test_a_permit_is_for_one_pass_and_the_passcode_it_has_now():
    permit = passcodes(NEW).permit(a_pass())

    assert is_let_in(a_pass(), permit)
    assert not is_let_in(a_pass(OTHER), permit)
    assert not is_let_in(a_pass(passcode="scrypt.a.c"), permit)


@pytest.mark.parametrize("permit", ["", "x", "A" * 40, "ä", "scrypt.a.b", HANDLE])
def test_what_was_not_made_here_is_no_permit(permit: str):
    assert not is_let_in(a_pass(), permit)
    assert not is_let_in(a_pass(), passcodes(OLD).permit(a_pass()))


def test_a_pass_without_a_passcode_needs_no_permit():
    passcodes(NEW).guard(a_pass(passcode=None), {})


def test_a_permit_ends_after_an_hour(monkeypatch: pytest.MonkeyPatch):
    permit = passcodes(NEW).permit(a_pass())
    begun = clock.now()

    def is_let_in_at(moment: datetime) -> bool:
        monkeypatch.setattr(clock, "now", lambda: moment)
        return is_let_in(a_pass(), permit)

    assert is_let_in_at(begun + PERMITTED - timedelta(seconds=2))
    assert not is_let_in_at(begun + PERMITTED + timedelta(seconds=1))


def test_permits_outlive_a_change_of_the_master_key():
    permit = passcodes(OLD).permit(a_pass())

    assert is_let_in(a_pass(), permit, OLD, NEW)
    assert is_let_in(a_pass(), permit, NEW, OLD)


@pytest.mark.parametrize(
    "path",
    [
        f"/p/{HANDLE}",
        f"/p/{HANDLE}.pkpass",
        f"/p.pkpasses?pass={OTHER}&pass={HANDLE}",
        f"/d/{HANDLE}",
    ],
)
def test_the_form_leads_back_to_the_pass(path: str):
    assert way_back(path, HANDLE) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "https://evil.example/",
        f"//evil.example/p/{HANDLE}",
        f"/\\evil.example/p/{HANDLE}",
        f"/p/{OTHER}",
        f"/p/{HANDLE}\r\nX: y",
        f"/p/{HANDLE}?then=https://evil.example",
        f"/p.pkpasses?pass={OTHER}",
        f"/p.pkpasses?pass={HANDLE}&x=1",
        f"/pass/create?hashedSerialNumber={HANDLE}",
    ],
)
def test_the_form_leads_nowhere_else(path: str):
    assert way_back(path, HANDLE) == f"/d/{HANDLE}"


async def test_a_password_fits_what_was_kept_of_it_and_nothing_else():
    passwords = Passwords()
    longest = "x" * MAX_PASSWORD_CHARACTERS
    kept = [await passwords.hash(text) for text in ("4711", "4711", longest)]

    fits: list[Any] = [
        await passwords.fits("4711", kept[0]),
        await passwords.fits("4711", kept[1]),
        await passwords.fits("4712", kept[0]),
        await passwords.fits("", None),
        await passwords.fits(longest + "y", kept[2]),
    ]

    assert fits == [True, True, False, False, False]
    assert kept[0] != kept[1]
    assert "4711" not in kept[0]
