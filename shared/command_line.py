"""Commands that say in one line what is wrong with them."""

import argparse
from typing import NoReturn

WRONG_USAGE = 2
"""The exit code of a command that cannot be read."""


class CommandParser(argparse.ArgumentParser):
    """Names the fault and where the help is, instead of printing how the command is used."""

    def error(self, message: str) -> NoReturn:
        """End the process with one line on standard error."""
        self.exit(WRONG_USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")
