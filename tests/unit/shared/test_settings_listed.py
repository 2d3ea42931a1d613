"""Every setting that is read is explained in .env.example, and none that is not."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from services.gateway.settings import Settings as GatewaySettings
from services.generator.settings import Settings as GeneratorSettings
from services.member.settings import Settings as MemberSettings
from services.notifier.settings import Settings as NotifierSettings
from services.settings import ApiSettings, LocalSettings
from services.triggers.settings import Settings as TriggersSettings

ROOT = Path(__file__).parents[3]
SERVICES = (GatewaySettings, GeneratorSettings, MemberSettings, NotifierSettings, TriggersSettings)
COMMANDS = (LocalSettings, ApiSettings)
INNER = {"PASSWRIGHT_CRASH_AT"}
"""Only for tests."""


def variables(kinds: tuple[type[BaseSettings], ...]) -> set[str]:
    names: set[str] = set()
    for kind in kinds:
        for name, field in kind.model_fields.items():
            alias = field.validation_alias
            names.add(alias if isinstance(alias, str) else f"PASSWRIGHT_{name.upper()}")
    return names - INNER


def named_in(file: str) -> set[str]:
    form = (
        r"^(?:# )?([A-Z0-9_]+)="
        if file == ".env.example"
        else r"\b(PASSWRIGHT_[A-Z0-9_]*[A-Z0-9])\b"
    )
    return set(re.findall(form, (ROOT / file).read_text(), re.MULTILINE))


def test_the_example_explains_what_is_read_and_nothing_else():
    assert named_in(".env.example") == variables(SERVICES + COMMANDS)


@pytest.mark.parametrize("file", ["deploy/compose.yaml", "README.md", "SECURITY.md"])
def test_what_other_files_name_is_read(file: str):
    assert named_in(file) <= variables(SERVICES + COMMANDS)
