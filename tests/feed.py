"""Reads the event feed as a partner does."""

import aiohttp


async def latest(session: aiohttp.ClientSession) -> str:
    """Where the feed ends now."""
    async with session.get("/v1/events?after=latest") as response:
        return (await response.json())["next_cursor"]


async def read_feed(session: aiohttp.ClientSession, cursor: str, template: str) -> dict[str, str]:
    """Read all that happened to passes of a template since then: id → type."""
    told: dict[str, str] = {}
    more = True
    while more:
        async with session.get(f"/v1/events?after={cursor}&limit=1000") as response:
            response.raise_for_status()
            page = await response.json()
        cursor, more = page["next_cursor"], page["has_more"]
        told |= {
            event["id"]: event["type"]
            for event in page["data"]
            if event["subject"]["kind"] == "pass" and event["data"]["template_id"] == template
        }
    return told
