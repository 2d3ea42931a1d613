"""Files that never change, under names that tell their content."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.gateway.routes.pages import rendering
from shared.http.static import StaticFiles


async def ask(files: StaticFiles, path: str, **headers: str) -> web.StreamResponse:
    serve = next(route.handler for route in files.routes() if route.path == path)
    return await serve(make_mocked_request("GET", path, headers=headers))  # type: ignore[operator]


async def test_a_file_has_its_content_in_its_name_and_is_kept_for_a_year(tmp_path: Path):
    (tmp_path / "page.css").write_text("b { color: red }")
    before = StaticFiles(tmp_path).path("page.css")
    (tmp_path / "page.css").write_text("b { color: blue }")
    files = StaticFiles(tmp_path)

    answer = await ask(files, files.path("page.css"))

    assert before != files.path("page.css")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert isinstance(answer, web.Response)
    assert answer.body == b"b { color: blue }"


async def test_a_file_that_is_known_is_not_sent_again_and_a_large_one_goes_packed():
    files = StaticFiles(rendering.STATIC)
    path = files.path("page.css")

    answer = await ask(files, path, **{"Accept-Encoding": "gzip"})
    again = await ask(files, path, **{"If-None-Match": answer.headers["ETag"]})

    assert answer.headers["Content-Encoding"] == "gzip"
    assert again.status == 304


def test_a_file_of_an_unknown_kind_is_a_mistake(tmp_path: Path):
    (tmp_path / "page.exe").write_bytes(b"")

    with pytest.raises(ValueError, match=r"page\.exe"):
        StaticFiles(tmp_path)
