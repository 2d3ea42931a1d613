"""Who asks: a person or a program, with a browser or not, on whose phone."""

import re
from typing import Final, Literal

from aiohttp import hdrs, web

HTML_MEDIA: Final = "text/html"
IPHONES: Final = ("iPhone", "iPod")
Device = Literal["iphone", "android", "other"]

PREVIEWERS: Final = (
    "facebookexternalhit", "Facebot", "WhatsApp", "Twitterbot", "Slackbot", "Slack-ImgProxy",
    "LinkedInBot", "TelegramBot", "Discordbot", "SkypeUriPreview", "MicrosoftPreview",
    "Microsoft-BotFramework", "ms-office", "SafeLinks", "Googlebot", "Google-Safety",
    "GoogleImageProxy", "Google-InspectionTool", "AdsBot-Google", "Mediapartners-Google",
    "YahooMailProxy", "bingbot", "BingPreview", "Applebot", "DuckDuckBot", "YandexBot",
    "Baiduspider", "Pinterestbot", "redditbot", "vkShare", "KAKAOTALK-SCRAP", "Embedly",
    "Iframely", "Mastodon", "Bluesky Cardyb", "Barracuda", "Proofpoint", "Mimecast",
    "Trend Micro", "HubSpot", "HeadlessChrome", "archive.org_bot",
)  # fmt: skip
"""What programs that look at links call themselves. Scanners of mail that claim to be a browser are
not known: `create_on: "button"` is for them."""

_PREVIEWERS: Final = tuple(map(str.lower, PREVIEWERS))
_PURPOSES: Final = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
_LOOKING_AHEAD: Final = re.compile(r"prefetch|prerender|preview", re.IGNORECASE)
_MODE: Final = "Sec-Fetch-Mode"
_NAVIGATION: Final = "navigate"


def is_person(request: web.Request) -> bool:
    """Whether this looks like a person who follows a link, as far as one can tell."""
    headers = request.headers
    return not (
        request.method == hdrs.METH_HEAD
        or any(_LOOKING_AHEAD.search(headers.get(name, "")) for name in _PURPOSES)
        or headers.get(_MODE, _NAVIGATION) != _NAVIGATION
        or _is_previewer(headers.get(hdrs.USER_AGENT, "").lower())
    )


def wants_page(request: web.Request) -> bool:
    """Whether somebody asks with a browser."""
    return HTML_MEDIA in request.headers.get(hdrs.ACCEPT, "").lower()


def device_of(request: web.Request) -> Device:
    """Tell whose phone asks; tablets and computers get both wallets."""
    user_agent = request.headers.get(hdrs.USER_AGENT, "")
    if any(phone in user_agent for phone in IPHONES):
        return "iphone"
    return "android" if "Android" in user_agent else "other"


def is_phone(request: web.Request) -> bool:
    """Whether a phone asks that can open the file of a pass at once."""
    return device_of(request) == "iphone"


def _is_previewer(agent: str) -> bool:
    return any(name in agent for name in _PREVIEWERS)
