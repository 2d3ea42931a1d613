from datetime import UTC, datetime
from hashlib import sha256

import pytest

from services.gateway.domain.devices import LINES_PER_MINUTE, LineBudget, read_log_line

MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
DEVICE = "3c0b2fd0fd2ea11a5c1bd5c1d1b6a0c9"
HASH = sha256(DEVICE.encode()).hexdigest()
SERIAL = "66f0c2aa" + "0f" * 16
FOR = "[2026-11-21 12:00:00 +0100]"
ABOUT = f"pass type pass.com.example.coffee, serial number {SERIAL}"
WEB = "with web service url https://passes.example/wallet"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (
            (
                f"{FOR} Register task (for device {DEVICE}, {ABOUT}; {WEB})"
                " encountered error: Authentication failure"
            ),
            "register_failed",
        ),
        (
            (
                f"{FOR} Unregister task (for device {DEVICE}, {ABOUT}; {WEB})"
                " encountered error: Unexpected response code 404"
            ),
            "unregister_failed",
        ),
        (
            (
                f"{FOR} Get serial #s task (for device {DEVICE}, pass type pass.com.example.coffee,"
                f" last updated (null); {WEB}) encountered error: Unexpected response code 500"
            ),
            "list_failed",
        ),
        (
            (
                f"{FOR} Get pass task ({ABOUT}, if-modified-since (null); {WEB}) encountered error:"
                " Server response was malformed (Missing response data)"
            ),
            "pass_malformed",
        ),
        (
            (
                f"{FOR} Get pass task ({ABOUT}, if-modified-since (null); {WEB}) encountered error:"
                " Received invalid pass data (The pass cannot be read because it isn\u2019t valid.)"
            ),
            "pass_invalid",
        ),
        (
            (
                f"{FOR} Get pass task ({ABOUT}, if-modified-since (null); {WEB}) encountered error:"
                " The request timed out."
            ),
            "fetch_failed",
        ),
        (
            (
                f"{FOR} Web service error for pass.com.example.coffee (https://passes.example/wallet):"
                f" Server requested update to serial number '{SERIAL}', but the pass was unchanged."
            ),
            "pass_unchanged",
        ),
        (
            (
                f"{FOR} Web service error for pass.com.example.coffee (https://passes.example/wallet):"
                " Server ignored the 'if-modified-since' header (Sat, 21 Nov 2026 11:00:00 GMT) and"
                f" returned the full unchanged pass data for serial number '{SERIAL}'."
            ),
            "condition_ignored",
        ),
        ("nothing we know", "other"),
    ],
)
def test_a_line_is_classed_and_tied_to_its_pass_and_device(line: str, kind: str):
    read = read_log_line(line, MOMENT)

    assert (read.kind, read.at) == (kind, MOMENT)
    assert read.pass_type_identifier == ("pass.com.example.coffee" if "pass." in line else None)
    assert read.serial_number == (SERIAL if SERIAL in line else None)
    assert read.device == (HASH if DEVICE in line else None)
    assert read.line == line.replace(DEVICE, HASH[:8])


def test_nothing_that_may_be_a_secret_stays_in_a_line():
    token = "ab" * 32

    read = read_log_line(f"token {token} of {DEVICE.upper()} for serial number {SERIAL}", MOMENT)

    assert token not in read.line
    assert DEVICE.upper() not in read.line
    assert SERIAL in read.line


def test_a_line_is_cut_and_holds_no_control_characters():
    read = read_log_line("a\x00b\x1b[31m\n" + "x" * 100_000, MOMENT)

    assert read.line.startswith("a b [31m xx")
    assert len(read.line) == 1000


def test_an_address_has_so_many_lines_a_minute():
    budget = LineBudget()

    assert budget.take("a", LINES_PER_MINUTE - 10, 1000) == LINES_PER_MINUTE - 10
    assert budget.take("a", 50, 1030) == 10
    assert budget.take("a", 50, 1059) == 0
    assert budget.take("b", 50, 1059) == 50
    assert budget.take("a", 50, 1060) == 50


def test_addresses_that_are_too_many_are_not_remembered():
    budget = LineBudget()

    granted = [budget.take(f"address {number}", 1, 1000) for number in range(10_001)]

    assert granted == [1] * 10_000 + [0]
