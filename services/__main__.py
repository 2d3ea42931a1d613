"""The command line: run everything here, or look after an installation."""

import argparse
import sys
from datetime import timedelta
from pathlib import Path

from services.settings import LocalSettings
from shared.command_line import CommandParser
from shared.contracts.services import LISTENERS
from shared.messaging.outbox import MAX_SENT_AGE
from shared.settings import StartUpError, read_settings

MAX_HOURS = MAX_SENT_AGE / timedelta(hours=1)


def main() -> int:
    """Parse the command line and do what it says; returns the exit code."""
    parser = CommandParser(prog="python -m services", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run all five services in this process")
    commands.add_parser("migrate", help="bring the database up to date")
    account = commands.add_parser("account", help="make an account and its first API key")
    account.add_argument("name")
    account.add_argument("--organization", help="the name on its passes (default: the name)")
    account.add_argument("--email", help="with a password a login of the PassSource dialect")
    account.add_argument("--password", help="its password; - reads it from standard input")
    key = commands.add_parser("key", help="make another API key, where the account's are lost")
    key.add_argument("account_id", metavar="ACCOUNT", help="the id that `account` printed")
    key.add_argument("--name", default="made by the operator", help="what the list of keys says")
    links = commands.add_parser("links", help="make links of a table, without the server")
    links.add_argument("file", type=Path, help="CSV, its head row names what is where")
    links.add_argument("--key", type=Path, required=True, help="the key file of a link program")
    links.add_argument(
        "--output", type=Path, help="where the result goes (default: standard output)"
    )
    keys = commands.add_parser("keys", help="seal anew what former master keys have sealed")
    keys.add_argument("action", choices=["reseal"])
    catalogue = commands.add_parser("catalogue", help="announce every template and identity again")
    catalogue.add_argument("action", choices=["resend"])
    dead = commands.add_parser("dead", help="look after messages that could not be handled")
    dead.add_argument("action", choices=["list", "show", "replay"])
    dead.add_argument("service", choices=[name for name, events in LISTENERS.items() if events])
    dead.add_argument("message_id", nargs="?", help="needed by show; replay takes all without it")
    outbox = commands.add_parser("outbox", help="send events again that were sent before")
    outbox.add_argument("action", choices=["resend"])
    outbox.add_argument("service", choices=list(LISTENERS))
    outbox.add_argument(
        "--since",
        type=_hours,
        default=MAX_HOURS,
        metavar="HOURS",
        help="of how many hours (default: 24, as long as sent events are kept)",
    )
    commands.add_parser(
        "consistency", help="compare passes and their log with generator and notifier"
    )
    batch = commands.add_parser("batch", help="send a list of rows, and write what became of them")
    batch.add_argument("file", type=Path, help="CSV, or JSON lines")
    batch.add_argument(
        "--kind", choices=["passes", "links", "members", "changes"], default="passes"
    )
    batch.add_argument("--template", metavar="ID", help="the template of rows that name none")
    batch.add_argument("--program", metavar="ID", help="the link program of links")
    batch.add_argument("--mapping", metavar="JSON", help="what columns of other names mean")
    batch.add_argument("--no-push", action="store_true", help="devices need not hear of changes")
    batch.add_argument("--dry-run", action="store_true", help="only say what the rows would be")
    batch.add_argument("--again", action="store_true", help="also if the file was sent before")
    batch.add_argument("--output", type=Path, help="where the result goes (default: beside it)")
    batch.add_argument("--url", help="where the API is (default: PASSWRIGHT_URL, or the demo)")
    commands.add_parser("message-map", help="print which message goes where")
    commands.add_parser("openapi", help="print the HTTP interface as OpenAPI 3.1")
    arguments = parser.parse_args()
    try:
        settings = read_settings(LocalSettings)
        # All services take seconds to import: whoever mistyped something is told before.
        from services import operations  # noqa: PLC0415 - see above
    except (StartUpError, KeyboardInterrupt) as error:
        sys.stderr.write(f"{str(error) or 'Stopped.'}\n")
        return 1
    return operations.perform(arguments.command, settings, arguments)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0
    if not 0 < hours <= MAX_HOURS:
        raise argparse.ArgumentTypeError(f"a number above 0, up to {MAX_HOURS:.0f}, is needed")
    return hours


if __name__ == "__main__":
    sys.exit(main())
