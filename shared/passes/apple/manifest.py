"""Writes manifest.json, the list of a pass's files and their SHA-1 that the signature covers."""

from collections.abc import Mapping
from hashlib import sha1
from json.encoder import encode_basestring


def compose_manifest(pass_json: bytes, images: Mapping[str, str]) -> bytes:
    """List the files of a pass as JSON with sorted names and no spaces: same files, same bytes.

    `images` gives the lower-case hex SHA-1 of every other file by name. Wallet reads
    SHA-1; the signature over the manifest is what uses SHA-256.
    """
    digests = {**images, "pass.json": sha1(pass_json, usedforsecurity=False).hexdigest()}
    # By hand, for every pass: a JSON encoder that sorts takes half as long again.
    lines = [f'{encode_basestring(name)}:"{digests[name]}"' for name in sorted(digests)]
    return f"{{{','.join(lines)}}}".encode()
