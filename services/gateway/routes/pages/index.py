"""The page at the address itself: where to go from here."""

from aiohttp import web

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Passwright</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<main>
<h1>Passwright</h1>
<p>Issues and runs Apple Wallet passes at volume.</p>
<ul>
<li><a href="/docs">How to use it</a></li>
<li><a href="/openapi.json">The same for machines (OpenAPI)</a></li>
<li><a href="/asyncapi.json">What is told, for machines (AsyncAPI)</a></li>
<li><a href="/health">Health</a></li>
</ul>
</main>
</body>
</html>
"""


async def show(_request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")
