"""Takes in the images of a pass: only PNG, only what decodes, and nothing but the pixels."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha1, sha256
from io import BytesIO
from types import MappingProxyType
from typing import Any, ClassVar, Final

from PIL import Image, ImageDraw

from shared.errors import InvalidError
from shared.passes.localization import is_language, split_language
from shared.passes.slots import IMAGE_SLOTS

FILE_NAMES: Final = frozenset(f"{slot}.png" for slot in IMAGE_SLOTS)

# reliability 4, "PNG bombs".
LARGEST_FILE: Final = 4 * 1024 * 1024
MOST_PIXELS: Final = 4_000_000
LONGEST_SIDE: Final = 2048

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
HEADER_LENGTH: Final = 13
# Around the content of a chunk: length and type before it, checksum after it.
CHUNK_FRAME: Final = 12
# What makes the picture. All else stays out even of the decoder: text and colour profiles can
# unpack to a thousand times their size, and an animation keeps its still picture.
PIXEL_CHUNKS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})

# Points of each slot (7B.6, the largest where styles differ); `venueMap` has no size of its own.
SLOT_SIZES: Final = MappingProxyType(
    {
        "artwork": (358, 448),
        "background": (345, 505),
        "footer": (286, 15),
        "icon": (38, 38),
        "logo": (160, 50),
        "personalizationLogo": (150, 40),
        "primaryLogo": (126, 30),
        "secondaryLogo": (135, 12),
        "strip": (375, 144),
        "thumbnail": (90, 90),
    }
)

ICON_SIZES: Final = MappingProxyType({"icon": 29, "icon@2x": 58, "icon@3x": 87})
ICON_COLOUR: Final = (108, 117, 125)


class UnknownImageSlotError(InvalidError):
    """A pass has no image of this name."""

    code: ClassVar[str] = "image_slot_unknown"


class BrokenImageError(InvalidError):
    """The image is not a complete PNG file."""

    code: ClassVar[str] = "image_broken"


class ImageTooLargeError(InvalidError):
    """An image has at most 4 MiB, 2,048 pixels a side and 4,000,000 pixels in all."""

    code: ClassVar[str] = "image_too_large"


@dataclass(frozen=True, kw_only=True, slots=True)
class Png:
    """An image as it goes into passes; hashes (lower-case hex) and size are those of `data`."""

    width: int
    height: int
    sha256: str
    sha1: str
    crc32: int
    size: int
    data: bytes = field(repr=False)


def file_name(slot: str) -> str:
    """Name the file of a slot: `icon@2x.png` for `icon@2x`; UnknownImageSlotError for no slot.

    The slot of a language, such as `de.lproj/logo`, lies in its folder.
    """
    language, plain = split_language(slot)
    if plain not in IMAGE_SLOTS or (language and not is_language(language)):
        raise UnknownImageSlotError(f"A pass has no image {slot[:40]!r}.")
    return f"{slot}.png"


def is_image_name(name: str) -> bool:
    """Whether a file of a pass, without a folder, is one of its images."""
    return name in FILE_NAMES


def check_png(data: bytes) -> Png:
    """Decode an uploaded image and write it anew with its pixels only, read as sRGB.

    At most 4 MiB (before and after), 4,000,000 pixels and 2,048 a side: ImageTooLargeError. Not a
    PNG, cut short, or with anything behind its end: BrokenImageError. Takes up to a second.
    """
    if len(data) > LARGEST_FILE:
        raise ImageTooLargeError
    if not data.startswith(SIGNATURE):
        raise BrokenImageError
    chunks = list(_chunks(data))
    width, height = _dimensions(chunks)
    if not width or not height:
        raise BrokenImageError
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise ImageTooLargeError
    pixels = b"".join(chunk for kind, chunk in chunks if kind in PIXEL_CHUNKS)
    clean = _reencode(SIGNATURE + pixels)
    if len(clean) > LARGEST_FILE:
        raise ImageTooLargeError
    return Png(
        width=width,
        height=height,
        sha256=sha256(clean).hexdigest(),
        sha1=sha1(clean, usedforsecurity=False).hexdigest(),
        crc32=zlib.crc32(clean),
        size=len(clean),
        data=clean,
    )


def scale_png(png: Png, slot: str) -> Png:
    """Make an image no larger than its slot shows it, in its own proportions."""
    name, _, scale = slot.partition("@")
    points = SLOT_SIZES.get(name)
    if points is None:
        return png
    factor = int(scale.removesuffix("x") or 1)
    most = (points[0] * factor, points[1] * factor)
    if png.width <= most[0] and png.height <= most[1]:
        return png
    output = BytesIO()
    with Image.open(BytesIO(png.data), formats=["PNG"]) as image:
        has_alpha = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
        if image.mode.startswith("I"):  # 16 bits of grey, of which convert would keep the lower 8
            greys: Any = image.convert("I")  # Pillow types `point` for pictures of 8 bits only
            smaller: Image.Image = greys.point(_upper_byte).convert("L")
        else:
            smaller = image.convert("RGBA" if has_alpha else "RGB")
        smaller.thumbnail(most, Image.Resampling.LANCZOS)
        smaller.save(output, "PNG")
    return check_png(output.getvalue())


@cache
def plain_icon() -> Mapping[str, bytes]:
    """Draw the icon of a pass that has none, which no phone would take: a grey rounded square."""
    return MappingProxyType(
        {file_name(slot): _rounded_square(side) for slot, side in ICON_SIZES.items()}
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Split a PNG into type and whole bytes of its chunks; the last one ends the file."""
    start = len(SIGNATURE)
    kind = b""
    while kind != b"IEND":
        end = start + CHUNK_FRAME + int.from_bytes(data[start : start + 4], "big")
        chunk = data[start:end]
        if end > len(data) or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise BrokenImageError
        kind = chunk[4:8]
        yield kind, chunk
        start = end
    if start != len(data):
        raise BrokenImageError


def _dimensions(chunks: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    """Read width and height; a second header, which would replace the first, is refused."""
    kind, header = chunks[0]
    headers = sum(kind == b"IHDR" for kind, _ in chunks)
    if kind != b"IHDR" or headers != 1 or len(header) != HEADER_LENGTH + CHUNK_FRAME:
        raise BrokenImageError
    return int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")


def _reencode(data: bytes) -> bytes:
    output = BytesIO()
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as image:
            image.load()
            image.save(output, "PNG")
    # What Pillow raises for broken files; it keeps no exception of its own for all of them.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, zlib.error) as error:
        raise BrokenImageError from error
    return output.getvalue()


def _upper_byte(value: Any) -> Any:  # noqa: ANN401 - Pillow asks with an expression, not a number
    return value / 256


def _rounded_square(side: int) -> bytes:
    scale = 8
    large = side * scale
    mask = Image.new("L", (large, large))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, large - 1, large - 1), large // 5, fill=255)
    icon = Image.new("RGBA", (side, side), (*ICON_COLOUR, 0))
    icon.putalpha(mask.reduce(scale))
    output = BytesIO()
    icon.save(output, "PNG")
    return output.getvalue()
