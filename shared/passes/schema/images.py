"""Takes in the images of a pass: only what decodes, in sRGB, and nothing but the pixels."""

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha1, sha256
from io import BytesIO
from types import MappingProxyType
from typing import Any, ClassVar, Final

from PIL import Image, ImageCms, ImageDraw, ImageOps

from shared.errors import InvalidError
from shared.passes.schema.localization import is_language, split_language
from shared.passes.schema.slots import IMAGE_SLOTS

FILE_NAMES: Final = frozenset(f"{slot}.png" for slot in IMAGE_SLOTS)

# reliability 4, "PNG bombs".
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
MAX_PIXELS: Final = 4_000_000
MAX_SIDE_PIXELS: Final = 2048

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
HEADER_LENGTH: Final = 13
# Around the content of a chunk: length and type before it, checksum after it.
CHUNK_FRAME: Final = 12
# What makes the picture, and the colours that its numbers mean. All else stays out even of the
# decoder: text can unpack to a thousand times its size, and an animation keeps its still picture.
PIXEL_CHUNKS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
PROFILE_CHUNK: Final = b"iCCP"
MAX_PROFILE_BYTES: Final = 256 * 1024
"""Of a colour profile, packed; Pillow unpacks at most 1 MiB. A larger one is not applied."""

PROFILE_STEPS: Final = b"mpet"
"""In a profile whose author says how many steps each pixel takes; it is not applied."""

MAX_SCANS: Final = 100
"""Of a JPEG: each goes over the whole picture, a few bytes are enough for one; usual are 10."""

MAX_TRAILING_BYTES: Final = 1024
"""Of blank bytes behind the end of a PNG, which text tools leave there."""

SIGNATURES: Final = (
    ("WebP", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("HEIC or AVIF", re.compile(rb"....ftyp(heic|heix|mif1|avif|avis)", re.DOTALL)),
    ("BMP", re.compile(rb"BM....\0\0\0\0", re.DOTALL)),
    ("TIFF", re.compile(rb"II\*\0|MM\0\*")),
    ("PDF", re.compile(rb"%PDF-")),
    ("an icon file (ICO)", re.compile(rb"\x00\x00\x01\x00")),
    ("SVG", re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg", re.DOTALL)),
    ("HTML", re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE)),
)
"""How files begin that are sent in place of a PNG."""

CONVERTED: Final = frozenset({"JPEG", "GIF", "WebP"})
"""The kinds that `to_png` turns into PNG."""

# Points of each slot, the largest where styles differ; `venueMap` has no size of its own.
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

_MARKER: Final = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
"""What begins a part of a JPEG that has a length; between these lie the picture's bytes."""

_ANCILLARY: Final = 0x20
"""The bit of a chunk's first letter that says that the picture can be shown without it."""

# What Pillow raises for broken files; it keeps no exception of its own for all of them.
_BROKEN: Final = (OSError, SyntaxError, ValueError, EOFError, IndexError, zlib.error)

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
    """Decode an uploaded image and write it anew with its pixels only, their colours in sRGB.

    At most 4 MiB (before and after), 4,000,000 pixels and 2,048 a side: ImageTooLargeError. Not a
    PNG, cut short, or with more than blanks behind its end: BrokenImageError, which names what it
    is instead. Damaged notes beside the pixels are left out. Takes up to a second.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ImageTooLargeError
    if not data.startswith(SIGNATURE):
        kind = kind_of(data)
        raise BrokenImageError(f"This is {kind}; send a PNG." if kind else None)
    chunks = list(_chunks(data))
    width, height = _dimensions(chunks)
    _check_size(width, height)
    clean = _reencode(b"".join((SIGNATURE, *_wanted(chunks))))
    if len(clean) > MAX_FILE_BYTES:
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


def kind_of(data: bytes) -> str | None:
    """Name the kind of file that was sent in place of a PNG, by its first bytes."""
    head = data[:1024]
    return next((name for name, pattern in SIGNATURES if pattern.match(head)), None)


def to_png(data: bytes) -> bytes:
    """Turn a JPEG, GIF or WebP into PNG, its first picture upright; all else stays as it is.

    The limits of `check_png` hold before anything is decoded; errors are the same.
    """
    kind = kind_of(data)
    if kind not in CONVERTED:
        return data
    if len(data) > MAX_FILE_BYTES:
        raise ImageTooLargeError
    if kind == "JPEG" and _has_too_many_scans(data):
        raise BrokenImageError(f"This JPEG has more than {MAX_SCANS} scans.")
    output = BytesIO()
    try:
        with Image.open(BytesIO(data), formats=[kind.upper()]) as image:
            _check_size(*image.size)
            image.load()
            _in_srgb(ImageOps.exif_transpose(image)).save(output, "PNG")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLargeError from error
    except _BROKEN as error:
        raise BrokenImageError(f"This {kind} cannot be decoded.") from error
    return output.getvalue()


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
        if end > len(data):
            raise BrokenImageError("The PNG is cut short.")
        kind = chunk[4:8]
        if zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big"):
            yield kind, chunk
        elif not kind[0] & _ANCILLARY:
            raise BrokenImageError("The PNG is damaged: a checksum is wrong.")
        start = end
    if len(data) - start > MAX_TRAILING_BYTES or data[start:].strip(b"\0 \t\r\n"):
        raise BrokenImageError("The PNG has other data behind its end.")


def _wanted(chunks: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Keep the chunks of the picture and one colour profile."""
    has_profile = False
    for kind, chunk in chunks:
        if kind in PIXEL_CHUNKS:
            yield chunk
        elif kind == PROFILE_CHUNK and not has_profile and len(chunk) <= MAX_PROFILE_BYTES:
            has_profile = True
            yield chunk


def _has_too_many_scans(jpeg: bytes) -> bool:
    """Count the starts of scans as the decoder comes by them."""
    scans, at = 0, 0
    while (found := _MARKER.search(jpeg, at)) and scans <= MAX_SCANS:
        marker, at = found[1], found.end()
        if marker == b"\xd9":  # the end of the image
            break
        scans += marker == b"\xda"
        at += max(2, int.from_bytes(jpeg[at : at + 2], "big"))
    return scans > MAX_SCANS


def _check_size(width: int, height: int) -> None:
    if not width or not height:
        raise BrokenImageError
    if max(width, height) > MAX_SIDE_PIXELS or width * height > MAX_PIXELS:
        raise ImageTooLargeError


def _dimensions(chunks: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    """Read width and height; a second header, which would replace the first, is refused."""
    kind, header = chunks[0]
    if kind == b"CgBI":
        raise BrokenImageError(
            "This PNG was taken out of an iOS app (CgBI), which only Apple's tools read; send the "
            "original."
        )
    headers = sum(kind == b"IHDR" for kind, _ in chunks)
    if kind != b"IHDR" or headers != 1 or len(header) != HEADER_LENGTH + CHUNK_FRAME:
        raise BrokenImageError
    return int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")


def _reencode(data: bytes) -> bytes:
    output = BytesIO()
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as image:
            image.load()
            if image.mode == "P" and not image.palette:
                raise BrokenImageError("The PNG has no palette.")
            _in_srgb(image).save(output, "PNG")
    except _BROKEN as error:
        raise BrokenImageError from error
    return output.getvalue()


def _in_srgb(image: Image.Image) -> Image.Image:
    """Apply a picture's colour profile, and leave it away; one that cannot be used is ignored."""
    profile: bytes | None = image.info.pop("icc_profile", None)
    if not profile or PROFILE_STEPS in profile or image.mode.startswith(("I", "F")):
        return image
    has_alpha = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
    mode = "RGBA" if has_alpha else "RGB"
    try:
        cms: Any = ImageCms  # whose types are incomplete
        source: Any = cms.getOpenProfile(BytesIO(profile))
        space = str(source.profile.xcolor_space).strip()
        if space == "GRAY" and image.mode in {"L", "1"}:
            image = image.convert("L")
        elif space == "CMYK" and image.mode == "CMYK":
            mode = "RGB"
        elif space == "RGB":
            image = image.convert(mode)
        else:
            return image
        converted = cms.profileToProfile(image, source, _srgb(), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    if converted is None:
        return image
    converted.info.pop("icc_profile", None)
    return converted


@cache
def _srgb() -> Any:  # noqa: ANN401 - the library's types are incomplete
    cms: Any = ImageCms
    return cms.ImageCmsProfile(cms.createProfile("sRGB"))


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
