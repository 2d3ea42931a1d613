"""Writes what is new in the contracts down: `python -m tests.contracts.write_snapshots`."""

import json
from pathlib import Path

from tests.contracts.compatibility import Schema, contracts, models, shape

SNAPSHOTS = Path(__file__).parent / "snapshots"


def main() -> None:
    for message in contracts():
        shapes: Schema = {kind: shape(model) for kind, model in models(message).items()}
        path = SNAPSHOTS / f"{message.name}.json"
        path.write_text(json.dumps(shapes, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
