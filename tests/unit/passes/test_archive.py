import io
import stat
import zipfile
import zlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.passes.apple.archive import ArchiveEntry, PassArchive
from shared.passes.apple.checksums import combine_crc32

FILES = {
    "pass.json": b'{"formatVersion":1}',
    "manifest.json": b"{}",
    "signature": bytes(range(256)) * 9,
    "icon.png": b"",
    "fr.lproj/pass.strings": '"a" = "é";'.encode(),
}


def archive_of(files: Mapping[str, bytes]) -> PassArchive:
    return PassArchive(
        [ArchiveEntry(name, len(body), zlib.crc32(body)) for name, body in files.items()]
    )


def written(files: Mapping[str, bytes]) -> bytes:
    archive = archive_of(files)
    bodies = enumerate(files.values())
    return b"".join(archive.header(index) + body for index, body in bodies) + archive.trailer()


def test_python_reads_back_every_file():
    with zipfile.ZipFile(io.BytesIO(written(FILES))) as archive:
        broken = archive.testzip()
        read = {name: archive.read(name) for name in archive.namelist()}

    assert broken is None
    assert read == FILES


def test_size_is_known_before_any_content_is_read():
    assert archive_of(FILES).size == len(written(FILES))


def test_files_are_stored_at_the_root_in_their_order():
    with zipfile.ZipFile(io.BytesIO(written(FILES))) as archive:
        entries = archive.infolist()

    assert [entry.filename for entry in entries] == list(FILES)
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}


def test_sizes_stand_before_the_content_and_not_behind_it():
    with zipfile.ZipFile(io.BytesIO(written(FILES))) as archive:
        data_descriptors = [entry.flag_bits & 0x08 for entry in archive.infolist()]

    assert not any(data_descriptors)


def test_names_are_utf_8():
    with zipfile.ZipFile(io.BytesIO(written({"écran.png": b"x"}))) as archive:
        (entry,) = archive.infolist()

    assert entry.filename == "écran.png"
    assert entry.flag_bits & 0x800


def test_unpacked_files_are_readable():
    with zipfile.ZipFile(io.BytesIO(written(FILES))) as archive:
        modes = {stat.S_IMODE(entry.external_attr >> 16) for entry in archive.infolist()}

    assert modes == {0o644}


def test_archive_has_one_fixed_time():
    with zipfile.ZipFile(io.BytesIO(written(FILES))) as archive:
        times = {entry.date_time for entry in archive.infolist()}

    assert times == {(1980, 1, 1, 0, 0, 0)}


def test_empty_archive_is_readable():
    with zipfile.ZipFile(io.BytesIO(written({}))) as archive:
        assert archive.namelist() == []


def test_two_files_of_one_name_are_refused():
    entry = ArchiveEntry("icon.png", 0, 0)

    with pytest.raises(ValueError, match="same name"):
        PassArchive([entry, entry])


@pytest.mark.parametrize("sizes", [[1 << 32], [(1 << 32) - 1], [1 << 31, 1 << 31, 1]])
def test_archive_past_four_gibibytes_is_refused(sizes: list[int]):
    entries = [ArchiveEntry(str(index), size, 0) for index, size in enumerate(sizes)]

    with pytest.raises(ValueError, match="larger"):
        PassArchive(entries)


def test_archive_of_too_many_files_is_refused():
    entries = [ArchiveEntry(str(index), 0, 0) for index in range(0x10000)]

    with pytest.raises(ValueError, match="larger"):
        PassArchive(entries)


def test_the_checksum_of_an_archive_is_known_without_its_content():
    for files in (FILES, {}, {"a": b""}, {"big": bytes(range(256)) * 1000, "b": b"x"}):
        assert archive_of(files).crc32() == zlib.crc32(written(files))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_checksums_combine_as_their_bytes_do(first: bytes, second: bytes):
    combined = combine_crc32(zlib.crc32(first), zlib.crc32(second), len(second))

    assert combined == zlib.crc32(first + second)
