"""The phone of the command line, kept in a file between its commands."""

import base64
import json
import os
from pathlib import Path
from typing import Any

from tests.wallet.device import Card, Device, Updating
from tests.wallet.files import open_pass


def load(device: Device, path: Path) -> None:
    """Give a device the name and the passes that were kept, if there are any."""
    if not path.exists():
        return
    kept: dict[str, Any] = json.loads(path.read_text())
    device.device_id, device.push_token = kept["device_id"], kept["push_token"]
    for topic, tag in kept["tags"].items():
        device.types[topic] = Updating(tag=tag)
    for one in kept["passes"]:
        file = open_pass(base64.b64decode(one["file"]))
        card = Card(file, one["last_modified"], one["is_registered"], one["is_dead"])
        device.cards[file.name] = card


def save(device: Device, path: Path) -> None:
    """Keep the device; only its owner may read the file, for its tokens are in it."""
    kept = {
        "device_id": device.device_id,
        "push_token": device.push_token,
        "tags": {topic: updating.tag for topic, updating in device.types.items()},
        "passes": [
            {
                "file": base64.b64encode(card.file.data).decode(),
                "last_modified": card.last_modified,
                "is_registered": card.is_registered,
                "is_dead": card.is_dead,
            }
            for card in device.cards.values()
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(json.dumps(kept))
    draft.replace(path)
