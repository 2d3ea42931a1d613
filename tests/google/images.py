"""Google fetches each image when it is first named."""

import aiohttp

from tests.google.errors import invalid


class Images:
    """Fetches images by their URLs, each once."""

    def __init__(self) -> None:
        self.are_fetched = True
        """Off, every URL is as good as an image."""
        self._good: set[str] = set()

    async def fetch(self, urls: set[str], http: aiohttp.ClientSession) -> None:
        """Raise an error unless there is an image at each URL."""
        for url in sorted(urls - self._good) if self.are_fetched else ():
            if why := await _problem(url, http):
                raise invalid(f"Image cannot be loaded. Url: {url} ({why})")
            self._good.add(url)


async def _problem(url: str, http: aiohttp.ClientSession) -> str:
    try:
        async with http.get(url) as response:
            if response.status != 200:
                return f"HTTP status {response.status}"
            is_image = response.content_type.startswith("image/")
            return "" if is_image else f"it is {response.content_type}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return type(error).__name__
