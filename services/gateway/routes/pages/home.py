"""The page at the address itself: what this installation is, by whom, and where to go."""

import json
from functools import partial
from pathlib import Path

from aiohttp import web

from services.gateway.context import Context
from services.gateway.routes.pages.faces import Face
from services.gateway.routes.pages.languages import accepted_languages, wording_language
from services.gateway.routes.pages.rendering import Pages
from services.gateway.usecases import passes
from shared.errors import GoneError, NotFoundError


async def show_home(
    request: web.Request, *, context: Context, pages: Pages, operator: str, demo: Path | None
) -> web.Response:
    """Say what this is; where there is a demo, with its pass."""
    accepted = accepted_languages(request)
    handle = _demo_pass(demo)
    face: Face | None = None
    if handle:
        try:
            issued = await passes.read(context, None, handle)
            face = Face.of(await context.showcase.show(issued, accepted), accepted, issued=issued)
        except (GoneError, NotFoundError):
            handle = ""
    return pages.render(
        "home.html", wording_language(*accepted), operator=operator, face=face, handle=handle
    )


def route(context: Context, operator: str, demo: Path | None) -> web.RouteDef:
    """Serve the page at `/`; `operator` is who runs this, `demo` the file that names its pass."""
    show = partial(show_home, context=context, pages=Pages(), operator=operator, demo=demo)
    return web.get("/", show)


def _demo_pass(demo: Path | None) -> str:
    """Read which pass was made on the first run, if one was."""
    if demo is None or not demo.exists():
        return ""
    return str(json.loads(demo.read_text()).get("pass_handle", ""))
