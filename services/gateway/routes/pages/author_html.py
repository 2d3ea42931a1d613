"""HTML that the author of a template wrote, made fit for a page of ours."""

from typing import Final

import nh3
from markupsafe import Markup

_TAGS: Final = nh3.ALLOWED_TAGS - {"article", "area", "aside", "footer", "header", "map", "nav"}
_ATTRIBUTES: Final = {
    "*": {"dir", "lang", "style", "title"},
    "a": {"href"},
    "img": {"alt", "height", "src", "width"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
_STYLES: Final = frozenset(
    {
        "background-color", "border", "border-bottom", "border-color", "border-left",
        "border-radius", "border-right", "border-style", "border-top", "border-width", "color",
        "direction", "font-family", "font-size", "font-style", "font-weight", "height",
        "letter-spacing", "line-height", "list-style-type", "margin", "margin-bottom",
        "margin-left", "margin-right", "margin-top", "max-width", "padding", "padding-bottom",
        "padding-left", "padding-right", "padding-top", "text-align", "text-decoration",
        "text-indent", "text-transform", "vertical-align", "white-space", "width",
    }
)  # fmt: skip
"""What an author may say of how a text looks; not where it stands, which could cover ours."""

_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})


def author_html(text: str) -> Markup:
    """Clean HTML in which magic values stand escaped already.

    No script, form, frame, other scheme, or style that moves an element is left.
    """
    clean = nh3.clean(
        text,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        filter_style_properties=_STYLES,
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(clean)  # noqa: S704 - cleaned above
