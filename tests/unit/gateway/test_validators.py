"""What users may type, validator by validator."""

import pytest

from services.gateway.domain.validators import VALIDATORS, failed_validator
from shared.passes.schema.validators import VALIDATOR_NAMES, read_validators
from shared.passes.template.document import TemplateDocument, check_template

FIT = {
    "VRequired": ["x", "0", "false"],
    "VEmail": ["ann@beans.example", " ann@beans.example ", "ü@grün.de", "a.b+c@x.co.uk"],
    "VDate": ["2026-11-27", "27 November 2026", "tomorrow", "+1 week", "morgen", "31.12.2026"],
    "VPhone": ["+49 (170) 123-45", "0170,123x4", "555"],
    "VNumeric": ["5", "-5.25", "1e3", " 7 "],
    "VAlpha": ["abcXYZ"],
    "VAlphaNumeric": ["abc123", "9"],
    "VDecimal": ["1.5", "1e5", "7", "-.5", "3."],
    "VInteger": ["7", "-7", "+7", "007"],
    "VStateCode": ["CA", "ny", "Dc"],
    "VZip": ["12345", "12345-6789", "1234567890"],
    "VTrue": ["true", "1", "on", "Yes"],
    "VFalse": ["false", "0", "off"],
}
UNFIT = {
    "VRequired": ["", "   "],
    "VEmail": ["ann", "ann@beans", "a b@beans.example", "@beans.example", "ann@"],
    "VDate": ["no date", "2026-13-45", "x" * 5000],
    "VPhone": ["abc", "+-()", "12#34", "١٢٣"],
    "VNumeric": ["five", "1,5", "1.2.3", "nan"],
    "VAlpha": ["abc1", "ä", "a b"],
    "VAlphaNumeric": ["a-b", "ü1"],
    "VDecimal": ["x", "1.2.3", "e5", "."],
    "VInteger": ["1.5", "x", "1e3", "--1"],
    "VStateCode": ["XX", "California", "C"],
    "VZip": ["1234", "12345678901", "12a45", "-----"],
    "VTrue": ["false", "0", "no", "x"],
    "VFalse": ["true", "1", "x"],
}


@pytest.mark.parametrize("name", list(VALIDATORS))
def test_each_validator_takes_what_it_names_and_nothing_else(name: str):
    """V1 to V13."""
    assert [text for text in FIT[name] if failed_validator(name, text)] == []
    assert [text for text in UNFIT[name] if failed_validator(name, text) != name] == []


@pytest.mark.parametrize("name", [name for name in VALIDATORS if name != "VRequired"])
def test_all_but_vrequired_let_the_empty_text_pass(name: str):
    assert failed_validator(name, "") is None


def test_every_validator_that_a_template_may_name_is_there():
    assert tuple(VALIDATORS) == VALIDATOR_NAMES


def test_validators_are_parted_by_commas_and_blanks_do_no_harm():
    assert read_validators(" VRequired , VEmail,") == ("VRequired", "VEmail")
    assert failed_validator("VRequired, VEmail", "ann") == "VEmail"
    assert failed_validator("VRequired, VEmail", "") == "VRequired"
    assert failed_validator(None, "") is None


@pytest.mark.parametrize(
    ("validation", "faults"),
    [("VRequired, VEmail", 0), ("VRequired,VMail", 2), (7, 2), ("", 0), (None, 0)],
)
def test_an_unknown_validator_is_an_error_when_the_template_is_saved(
    validation: object, faults: int
):
    """V14."""
    attribute = {"value": "", "editable": True, "validation": validation}
    field = {"key": "mail", "label": "Mail", "value": attribute}
    document = TemplateDocument.model_validate(
        {
            "pass": {"description": "x", "generic": {"primaryFields": [field]}},
            "properties": {"other": attribute},
        }
    )

    found = [finding.path for finding in check_template(document).errors]

    places = [
        "$.pass.generic.primaryFields[0].value.validation",
        "$.properties.other.validation",
    ]
    assert found == places[:faults]
