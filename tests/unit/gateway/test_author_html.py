"""HTML of authors on pages of ours."""

import pytest

from services.gateway.routes.pages.author_html import author_html
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument
from tests.unit.passes.samples import a_pass


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<form action=/pass/create><input name=x><button>go</button></form>",
        "<iframe src=https://evil.example></iframe>",
        '<a href="javascript:alert(1)">x</a>',
        '<p style="position: fixed; inset: 0">x</p>',
        "<img src=https://x.example/y.png onerror=alert(1)>",
        "<style>body { display: none }</style>",
        '<div style="background: url(https://evil.example)">x</div>',
        '<svg onload="alert(1)"><script>1</script></svg>',
        '<p class="faults" id="input-1">x</p>',
        '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    ],
)
def test_nothing_that_acts_or_covers_survives(evil: str):
    """G9."""
    clean = author_html(f"<b>kept</b>{evil}")

    assert "<b>kept</b>" in clean
    for part in ("<script", "<form", "<input", "<iframe", "javascript:", "position", "onerror",
                 "<style", "url(", "<svg", "onload", "class=", "id=", "<meta"):  # fmt: skip
        assert part not in clean


def test_what_an_author_may_say_stays():
    """G9."""
    text = '<h2 style="color:red">Hi</h2><a href="https://beans.example">us</a><ul><li>1</li></ul>'

    assert author_html(text) == (
        '<h2 style="color:red">Hi</h2><a href="https://beans.example" '
        'rel="noopener noreferrer nofollow">us</a><ul><li>1</li></ul>'
    )


def test_a_magic_value_is_escaped_as_it_is_put_in():
    """G9, R6, R12."""
    document = TemplateDocument.model_validate(
        {
            "pass": {"description": "x", "generic": {}},
            "properties": {
                "psRegistrationMessage": "<h2>Hello {guest}</h2>",
                "guest": {"value": "", "editable": True},
            },
        }
    )
    compiled = compile_template(document, name="x", organization="x")
    typed = a_pass({"guest": '<b>Ann</b> {templateHash} "&"'}, literal=frozenset({"guest"}))

    found = author_html(compiled.html_of(typed, "psRegistrationMessage"))

    assert found == '<h2>Hello &lt;b&gt;Ann&lt;/b&gt; {templateHash} "&amp;"</h2>'


def test_what_a_rule_made_is_shown_as_the_rule_left_it():
    """R9."""
    document = TemplateDocument.model_validate(
        {"pass": {"description": "x", "generic": {}}, "properties": {"psRegisteredMessage": "x"}}
    )
    compiled = compile_template(document, name="x", organization="x")
    ruled = a_pass(
        {"psRegisteredMessage": "<b>You won {this}</b>"},
        literal=frozenset({"psRegisteredMessage"}),
    )

    assert compiled.html_of(ruled, "psRegisteredMessage") == "<b>You won {this}</b>"
