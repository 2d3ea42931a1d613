"""Tests, and what they and the benches are made of."""

import os
import sys
from pathlib import Path

if sys.dont_write_bytecode:
    # A run starts some three hundred processes. Whoever wants nothing compiled beside the sources
    # gets it elsewhere, or each of them would compile everything it imports.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix  # noqa: TID251 - for all that we start
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # noqa: TID251 - the same
