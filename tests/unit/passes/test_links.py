"""Links in fields: few schemes, found as Wallet finds them, and nothing else of the markup."""

import pytest

from shared.passes.schema.text_links import (
    DETECT_LINKS,
    DETECT_PHONES,
    find_links,
    read_markup,
    safe_link,
    without_scripts,
)

ALL = frozenset({DETECT_LINKS, DETECT_PHONES})


def links(text: str, detectors: frozenset[str] = ALL) -> dict[str, str]:
    return {span.text: span.href for span in find_links(text, detectors) if span.href}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "see https://example.com/a?b=c.",
            {"https://example.com/a?b=c": "https://example.com/a?b=c"},
        ),
        ("(www.example.com/a_(b))", {"www.example.com/a_(b)": "https://www.example.com/a_(b)"}),
        ("to help@beans.example, please", {"help@beans.example": "mailto:help@beans.example"}),
        ("+49 (0)30 1234-567.", {"+49 (0)30 1234-567": "tel:+49301234567"}),
        ("call 030 1234567.", {"030 1234567": "tel:0301234567"}),
        ("(555) 123-4567", {"(555) 123-4567": "tel:5551234567"}),
        ("on 2027-01-31, 01/02/2027, 01.02.2027 at 10:30", {}),
        ("card 4111 1111 1111 1111, no. 0012345678", {}),
        ("javascript:alert(1) data:text/html,x", {}),
    ],
)
def test_addresses_and_numbers_are_found(text: str, expected: dict[str, str]):
    assert links(text) == expected
    assert "".join(span.text for span in find_links(text, ALL)) == text


def test_only_what_is_asked_for_is_found():
    text = "+1 800 555 1234 or https://example.com"

    assert set(links(text, frozenset({DETECT_PHONES}))) == {"+1 800 555 1234"}
    assert set(links(text, frozenset({DETECT_LINKS}))) == {"https://example.com"}
    assert links(text, frozenset()) == {}


def test_markup_keeps_its_links_and_its_text():
    spans = read_markup(
        "Read <a href='https://example.com/?a&amp;b'>our <b>terms</b></a>.<br>A &lt; B"
    )

    assert [(span.text, span.href) for span in spans] == [
        ("Read ", None),
        ("our ", "https://example.com/?a&b"),
        ("terms", "https://example.com/?a&b"),
        (".", None),
        ("\n", None),
        ("A < B", None),
    ]


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "&#106;avascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "//example.com",
        "/p/other",
        "https:",
        "https://[x",
        "https://a b",
        "",
    ],
)
def test_markup_leads_nowhere_else(address: str):
    spans = read_markup(f'<a href="{address}">here</a>')

    assert [(span.text, span.href) for span in spans] == [("here", None)]


@pytest.mark.parametrize(
    "address", ["https://e.example", "HTTP://e.example", "mailto:a@b", "tel:+1"]
)
def test_four_schemes_are_links(address: str):
    assert safe_link(address) == address


@pytest.mark.parametrize("text", ["<a ", "<a href=", "<", "a < b > c", "<!-- x -->", "<3>", "</"])
def test_what_is_no_element_stays_text(text: str):
    assert "".join(span.text for span in read_markup(text)) == text


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " java&#10;script:alert(1)",
        "&#106;avascript:alert(1)",
        "vbscript:x",
        "data:text/html,x",
        "file:///etc/passwd",
    ],
)
def test_link_to_a_script_loses_its_address(address: str):
    assert without_scripts(f'go <a class="x" href="{address}">there</a>') == "go <a>there</a>"


@pytest.mark.parametrize(
    "tag",
    [
        "<a href=data:text/html,<script>alert(1)</script>>",
        '<a href="data:text/html,<b>">',
        "<a title='>' href='javascript:alert(1)'>",
        "<a title='<' HREF \n = &#106;avascript:alert(1)>",
        f"<a title='<' href='{' ' * 100}javascript:alert(1)'>",
    ],
)
def test_no_sign_of_a_tag_within_one_hides_a_link_to_a_script(tag: str):
    assert "href" not in without_scripts(f"go {tag}there</a>").lower()


@pytest.mark.parametrize(
    "markup",
    [
        "1 < 2",
        '<a href="https://a.example">a</a>',
        "<a href='shop:42'>app</a>",
        "<b>javascript:</b>",
    ],
)
def test_other_markup_stays_as_it_is(markup: str):
    assert without_scripts(markup) == markup
