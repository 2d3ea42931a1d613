import hashlib
import io
import struct
import time
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from shared.passes.schema.images import (
    IMAGE_SLOTS,
    BrokenImageError,
    ImageTooLargeError,
    UnknownImageSlotError,
    check_png,
    file_name,
    is_image_name,
    plain_icon,
    scale_png,
    to_png,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def a_png(width: int = 3, height: int = 2, mode: str = "RGBA", **options: object) -> bytes:
    output = io.BytesIO()
    Image.new(mode, (width, height), 1).save(output, "PNG", **options)
    return output.getvalue()


def a_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", checksum)


def a_header(width: int, height: int) -> bytes:
    return a_chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, 8, 6, 0, 0, 0))


def with_chunk(png: bytes, chunk: bytes) -> bytes:
    """Behind the header, which ends at byte 33."""
    return png[:33] + chunk + png[33:]


def test_png_is_measured_and_hashed_as_it_is_kept():
    png = check_png(a_png(3, 2))

    assert (png.width, png.height) == (3, 2)
    assert png.size == len(png.data)
    assert png.sha256 == hashlib.sha256(png.data).hexdigest()
    assert png.sha1 == hashlib.sha1(png.data).hexdigest()
    assert png.crc32 == zlib.crc32(png.data)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pixels_of_every_kind_of_png_stay_as_they_were(mode: str):
    original = a_png(5, 4, mode)

    kept = check_png(original).data

    with Image.open(io.BytesIO(original)) as before, Image.open(io.BytesIO(kept)) as after:
        assert (after.mode, after.tobytes()) == (before.mode, before.tobytes())


def test_transparent_colour_of_a_palette_stays():
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.putpixel((1, 0), 1)
    output = io.BytesIO()
    palette.save(output, "PNG", transparency=1)

    kept = check_png(output.getvalue()).data

    with Image.open(io.BytesIO(kept)) as image:
        assert image.mode == "P"
        assert image.convert("RGBA").tobytes() == bytes([255, 0, 0, 255, 0, 255, 0, 0])


def test_checking_twice_changes_nothing_more():
    once = check_png(a_png())

    assert check_png(once.data) == once


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"gAMA", b"prVt"])
def test_chunks_that_are_not_pixels_are_dropped(kind: bytes):
    marked = with_chunk(a_png(), a_chunk(kind, b"secret place\0\0"))

    png = check_png(marked)

    assert png.data == check_png(a_png()).data


def test_text_that_unpacks_to_gigabytes_is_never_unpacked():
    bomb = b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9)

    png = check_png(with_chunk(a_png(), a_chunk(b"zTXt", bomb)))

    assert png.data == check_png(a_png()).data


def test_animation_keeps_its_still_picture():
    output = io.BytesIO()
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green")]
    frames[0].save(output, "PNG", save_all=True, append_images=frames[1:])

    kept = check_png(output.getvalue()).data

    assert b"acTL" in output.getvalue()
    with PngImagePlugin.PngImageFile(io.BytesIO(kept)) as image:
        assert not image.is_animated
        assert image.getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(("width", "height"), [(2049, 1), (1, 2049), (2001, 2000), (65535, 65535)])
def test_too_many_pixels_are_refused_by_the_header_alone(width: int, height: int):
    data = SIGNATURE + a_header(width, height) + a_chunk(b"IEND", b"")

    with pytest.raises(ImageTooLargeError):
        check_png(data)


def test_largest_image_is_taken():
    png = check_png(a_png(2000, 2000))

    assert (png.width, png.height) == (2000, 2000)


def test_more_than_four_mebibytes_are_refused():
    with pytest.raises(ImageTooLargeError):
        check_png(with_chunk(a_png(), a_chunk(b"prVt", bytes(4 * 1024 * 1024))))


def test_second_header_is_refused():
    with pytest.raises(BrokenImageError):
        check_png(with_chunk(a_png(), a_header(60000, 60000)))


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0)])
def test_image_without_pixels_is_refused(width: int, height: int):
    with pytest.raises(BrokenImageError):
        check_png(SIGNATURE + a_header(width, height) + a_chunk(b"IEND", b""))


def test_anything_behind_the_end_is_refused():
    with pytest.raises(BrokenImageError, match="other data behind its end"):
        check_png(a_png() + b"PK\3\4")


def test_blanks_behind_the_end_are_left_out():
    assert check_png(a_png() + b"\r\n").data == check_png(a_png()).data


def test_damaged_note_beside_the_pixels_is_left_out():
    note = bytearray(a_chunk(b"tEXt", b"Comment\0hello"))
    note[-1] ^= 1

    assert check_png(with_chunk(a_png(), bytes(note))).data == check_png(a_png()).data


def test_damaged_pixels_are_refused():
    data = bytearray(a_png())
    data[-13] ^= 1  # the checksum of the last IDAT

    with pytest.raises(BrokenImageError, match="checksum"):
        check_png(bytes(data))


def test_png_of_an_app_is_named():
    data = SIGNATURE + a_chunk(b"CgBI", b"\x50\0\x20\2") + a_header(2, 2) + a_chunk(b"IEND", b"")

    with pytest.raises(BrokenImageError, match="CgBI"):
        check_png(data)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("WEBP", "WebP"),
        ("JPEG", "JPEG"),
        ("GIF", "GIF"),
        ("BMP", "BMP"),
        ("TIFF", "TIFF"),
        ("PDF", "PDF"),
    ],
)
def test_other_kinds_of_files_are_named(form: str, name: str):
    output = io.BytesIO()
    Image.new("RGB", (2, 2)).save(output, form)

    with pytest.raises(BrokenImageError, match=f"This is {name}; send a PNG"):
        check_png(output.getvalue())


def pixel(data: bytes, at: tuple[int, int] = (0, 0)) -> Any:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGBA").getpixel(at)


def display_p3() -> bytes:
    """A profile with Display P3's primaries: matrix and curves of ICC version 2."""

    def fixed(*numbers: float) -> bytes:
        return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    tags = {
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.95045, 1.0, 1.08905),
        b"rXYZ": b"XYZ \0\0\0\0" + fixed(0.51512, 0.2412, -0.00105),
        b"gXYZ": b"XYZ \0\0\0\0" + fixed(0.29198, 0.69225, 0.04189),
        b"bXYZ": b"XYZ \0\0\0\0" + fixed(0.1571, 0.06657, 0.78407),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv\x00\x00\x00\x00\x00\x00\x00\x01\x023"),
        b"cprt": b"text\0\0\0\0none\0",
        b"desc": b"desc\0\0\0\0\0\0\0\3P3\0" + bytes(78),
    }
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = bytearray(128)
    head[0:4] = struct.pack(">I", start + len(body))
    head[8:12], head[12:24], head[36:40] = b"\2\x40\0\0", b"mntrRGB XYZ ", b"acsp"
    head[68:80] = fixed(0.9642, 1.0, 0.8249)
    return bytes(head) + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_profile_is_applied(mode: str):
    output = io.BytesIO()
    image = Image.new("P" if mode == "P" else "RGB", (2, 2), 1 if mode == "P" else (200, 30, 40))
    if mode == "P":
        image.putpalette([0, 0, 0, 200, 30, 40])
    image.convert(mode).save(output, "PNG", icc_profile=display_p3())

    png = check_png(output.getvalue())

    red, green, blue, alpha = pixel(png.data)
    assert (red, green, alpha) == (pytest.approx(220, abs=3), pytest.approx(0, abs=3), 255)
    assert blue == pytest.approx(21, abs=5)
    assert b"iCCP" not in png.data


def test_transparency_survives_a_colour_profile():
    output = io.BytesIO()
    Image.new("RGBA", (2, 2), (200, 30, 40, 77)).save(output, "PNG", icc_profile=display_p3())

    assert pixel(check_png(output.getvalue()).data)[3] == 77


@pytest.mark.parametrize("form", ["JPEG", "GIF", "WEBP"])
def test_other_pictures_are_made_png(form: str):
    output = io.BytesIO()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(output, form)

    red, green, blue, _ = pixel(check_png(to_png(output.getvalue())).data)

    assert (red > 250, green < 5, blue < 5) == (True, True, True)


def test_photo_lies_upright():
    output = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (8, 4)).save(output, "JPEG", exif=exif)

    png = check_png(to_png(output.getvalue()))

    assert (png.width, png.height) == (4, 8)


def test_photo_with_too_many_pixels_is_refused_before_it_is_decoded():
    output = io.BytesIO()
    Image.new("L", (2049, 2)).save(output, "JPEG")

    with pytest.raises(ImageTooLargeError):
        to_png(output.getvalue())


def test_photo_cut_short_is_refused():
    output = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(output, "JPEG")

    with pytest.raises(BrokenImageError, match="JPEG"):
        to_png(output.getvalue()[:600])


def a_segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def a_jpeg_of_scans(count: int) -> bytes:
    """Write a progressive JPEG of 128 by 128 grey pixels: one scan of means, and empty ones."""
    table = bytes([1] + [0] * 15)  # a single code of one bit
    return b"".join((
        b"\xff\xd8",
        a_segment(0xDB, bytes([0] + [1] * 64)),
        a_segment(0xC2, struct.pack(">BHHB", 8, 128, 128, 1) + bytes([1, 0x11, 0])),
        a_segment(0xC4, b"\0" + table + b"\0"),
        a_segment(0xC4, b"\x10" + table + b"\x80"),  # so many blocks at a time: 256 and more
        a_segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes(32),
        (a_segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + b"\0\x7f") * (count - 1),
        b"\xff\xd9",
    ))  # fmt: skip


def test_photo_that_is_decoded_over_and_over_is_refused():
    assert check_png(to_png(a_jpeg_of_scans(100))).width == 128

    with pytest.raises(BrokenImageError, match="more than 100 scans"):
        to_png(a_jpeg_of_scans(101))


def test_scans_are_looked_for_only_where_the_decoder_finds_them():
    output = io.BytesIO()
    Image.new("RGB", (8, 8)).save(output, "JPEG")
    photo = output.getvalue()
    note = a_segment(0xFE, a_segment(0xDA, b"") * 1000)

    assert check_png(to_png(photo[:2] + note + photo[2:])).size
    assert check_png(to_png(photo + a_segment(0xDA, b"") * 1000)).size


def a_profile_of_steps(count: int) -> bytes:
    """Write a colour profile that takes each pixel through as many matrices, all the same one."""
    matrix = b"matf" + bytes(4) + struct.pack(">HH12f", 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
    place = struct.pack(">II", 16 + 8 * count, len(matrix))
    steps = b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, count) + place * count + matrix
    tags = struct.pack(">I4sII", 1, b"D2B0", 144, len(steps))
    head = struct.pack(
        ">I4sI4s4s4s", 144 + len(steps), b"lcms", 0x04400000, b"mntr", b"RGB ", b"XYZ "
    )
    white = struct.pack(">3i", 63190, 65536, 54061)
    return (head.ljust(36, b"\0") + b"acsp" + bytes(28) + white).ljust(128, b"\0") + tags + steps


def test_colour_profile_that_takes_as_long_as_its_author_likes_is_not_applied():
    png = a_png(1000, 1000, "RGB", icc_profile=a_profile_of_steps(30_000))
    began = time.process_time()

    checked = check_png(png)

    assert time.process_time() - began < 5
    assert Image.open(io.BytesIO(checked.data)).getpixel((0, 0)) == (1, 0, 0)


def test_fewer_pixels_than_announced_are_refused():
    data = SIGNATURE + a_header(9, 9) + a_chunk(b"IDAT", zlib.compress(b"\0" * 20))

    with pytest.raises(BrokenImageError):
        check_png(data + a_chunk(b"IEND", b""))


def test_image_cut_short_anywhere_is_refused():
    whole = a_png()

    for length in range(len(whole)):
        with pytest.raises(BrokenImageError):
            check_png(whole[:length])


@pytest.mark.parametrize("form", ["JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_other_formats_are_refused(form: str):
    output = io.BytesIO()
    Image.new("RGB", (2, 2)).save(output, form)

    with pytest.raises(BrokenImageError):
        check_png(output.getvalue())


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"PLTE", b"tRNS", b"IDAT", b"IHDR", b"acTL", b"fdAT"]),
            st.binary(max_size=40),
        ),
        max_size=4,
    ),
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 7)),
)
def test_whatever_is_uploaded_is_taken_or_refused_by_name(
    chunks: list[tuple[bytes, bytes]], header: tuple[int, int, int, int]
):
    first = a_chunk(b"IHDR", struct.pack(">LLBBBBB", *header, 0, 0, 0))
    body = b"".join(a_chunk(kind, content) for kind, content in chunks)

    try:
        png = check_png(SIGNATURE + first + body + a_chunk(b"IEND", b""))
    except BrokenImageError:
        return

    assert check_png(png.data).size


def test_slot_names_its_file():
    assert file_name("icon@2x") == "icon@2x.png"


@pytest.mark.parametrize("slot", ["", "icon.png", "icon@4x", "Icon", "../icon", "banner"])
def test_unknown_slot_is_refused(slot: str):
    with pytest.raises(UnknownImageSlotError):
        file_name(slot)


def test_files_of_all_slots_are_images():
    assert all(is_image_name(file_name(slot)) for slot in IMAGE_SLOTS)


@pytest.mark.parametrize(
    "name", ["pass.json", "icon", "icon.PNG", "en.lproj/icon.png", "signature"]
)
def test_other_files_are_no_images(name: str):
    assert not is_image_name(name)


def test_plain_icon_comes_in_three_sizes_that_pass_the_check():
    sizes = {name: check_png(data) for name, data in plain_icon().items()}

    assert {name: (png.width, png.height) for name, png in sizes.items()} == {
        "icon.png": (29, 29),
        "icon@2x.png": (58, 58),
        "icon@3x.png": (87, 87),
    }


def test_plain_icon_is_drawn_alike_each_time():
    first = plain_icon()
    plain_icon.cache_clear()

    assert plain_icon() == first


def test_plain_icon_has_round_corners_and_a_full_middle():
    with Image.open(io.BytesIO(plain_icon()["icon@3x.png"])) as icon:
        corner, middle = icon.getpixel((0, 0)), icon.getpixel((43, 43))

    assert isinstance(corner, tuple)
    assert corner[3] == 0
    assert isinstance(middle, tuple)
    assert middle[3] == 255


@pytest.mark.parametrize(
    ("slot", "size", "expected"),
    [
        ("logo", (640, 200), (160, 50)),
        ("logo@2x", (640, 200), (320, 100)),
        ("logo@3x", (100, 300), (50, 150)),
        ("icon", (38, 38), (38, 38)),
        ("icon@2x", (10, 10), (10, 10)),
        ("thumbnail", (300, 90), (90, 27)),
        ("venueMap", (900, 900), (900, 900)),
    ],
)
def test_image_is_no_larger_than_its_slot(
    slot: str, size: tuple[int, int], expected: tuple[int, int]
):
    scaled = scale_png(check_png(a_png(*size)), slot)

    assert (scaled.width, scaled.height) == expected


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_can_be_scaled(mode: str):
    assert scale_png(check_png(a_png(200, 200, mode)), "icon").width == 38


def test_scaling_keeps_greys_of_sixteen_bits():
    output = io.BytesIO()
    Image.new("I;16", (100, 100), 0x8000).save(output, "PNG")

    scaled = scale_png(check_png(output.getvalue()), "icon")

    with Image.open(io.BytesIO(scaled.data)) as image:
        assert image.convert("L").getpixel((5, 5)) == 0x80


def test_picture_of_a_palette_that_it_does_not_have_is_broken():
    header = a_chunk(b"IHDR", struct.pack(">LLBBBBB", 3, 2, 8, 3, 0, 0, 0))
    pixels = a_chunk(b"IDAT", zlib.compress(bytes(8)))

    with pytest.raises(BrokenImageError, match="palette"):
        check_png(SIGNATURE + header + pixels + a_chunk(b"IEND", b""))
