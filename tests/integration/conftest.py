"""What tests on real servers have in common."""

import pytest

from tests import forking


@pytest.fixture(scope="session", autouse=True)
def programs_are_forked() -> None:
    forking.begin()
