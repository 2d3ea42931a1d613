"""Why data that fit their schema may be refused all the same: what no schema can say.

Each entry is the code of a problem, with the place in the body where it is a general one. Any other
refusal of valid data is a failure.
"""

from collections.abc import Mapping
from typing import Final

REFUSED: Final[Mapping[str, str]] = {
    "invalid_cursor": "A cursor is opaque: only what this list gave out is one.",
    # What is there, and what it is, is not a matter of form.
    "pass_deleted": "Another request of the run has deleted the pass.",
    "pass_gone": "Another request of the run has deleted the pass.",
    "template_unknown": "There is no such template.",
    "template_deleted": "Another request of the run has deleted the template.",
    "template_identity_fixed": "The template is signed by another identity already.",
    "member_unknown": "There is no such member.",
    "style_unknown": "There is no such style.",
    "style_group_unknown": "There is no such style group.",
    "identity_unknown": "There is no such identity.",
    "link_not_found": "A link is opaque: only what was sealed for its program is one.",
    "link_ended": "Another request of the run has revoked the link, or deleted its template.",
    "link_key_ended": "The run may have revoked the key; a program without one makes no links.",
    "link_key_unknown": "Which keys a program has is not a matter of form.",
    "too_many_link_keys": "Other requests of the run have made as many as may be.",
    "link_invalid": "Which values a link takes, its template says.",
    "invalid /default_region": "Not every two letters are a country.",
    "points_refused": "The balance would fall below zero, or rise too high.",
    "news_field_missing": "The template has no such field.",
    "invalid /values": "Which paths and values a pass takes, its template says.",
    "invalid /until": "Of two moments one must come first.",
    "range_empty": "Of two bounds one must be the lower.",
    "page_invalid ?created_from": "Of the first and the last year not all moments are in UTC.",
    "page_invalid ?created_before": "Of the first and the last year not all moments are in UTC.",
    "invalid ?created_from": "A moment that is in no calendar, as a leap second.",
    "invalid ?created_before": "A moment that is in no calendar, as a leap second.",
    "invalid /url": "An address must be a public one; which are is not said by a pattern.",
    "batch_ended": "A batch that has ended does not go on.",
    "too_many_batches": "Only so many batches of an account are on their way.",
    # What bytes and texts hold.
    "table_unreadable": "These bytes are no CSV.",
    "batch_columns": "Which columns a file may have, its template says.",
    "batch_empty": "A file without rows is one, too.",
    "invalid ?x-schemathesis-additional": "That there are no others OpenAPI cannot say of a query.",
    "invalid ?mapping": "Which texts are JSON objects is not said by a pattern.",
    "invalid ?program_id": "Only links are of a program, which is there.",
    "invalid ?template_id": "Members are of no template.",
    "invalid ?count": "Only passes are counted, and only without a file.",
    "image_broken": "These bytes are no PNG.",
    "google_key_invalid": "Which issuers and key files there are is not said by a schema.",
    "identity_broken": "These bytes are no certificate, or there are none.",
    "style_invalid": "Which texts are colours and dates, and Wallet's own demands.",
    "style_group_invalid": "Of two bounds one must be the lower.",
    "template_invalid": "Texts with brackets, rules and Wallet's own demands.",
    "invalid #": "A template takes numbers of at most 64 bits, and 256 KiB.",
    "apple_register_device 400": "Only Apple's devices must have a hexadecimal push token.",
    # The Pass2U API.
    "pass2u backgroundColor": "Which texts are colours is not said by a pattern.",
    "pass2u foregroundColor": "Which texts are colours is not said by a pattern.",
    "pass2u labelColor": "Which texts are colours is not said by a pattern.",
    "pass2u expirationDate": "A moment that is in no calendar, or without its zone.",
    "pass2u relevantDate": "A moment that is in no calendar, or without its zone.",
    "pass2u beacons.proximityUUID": "Which texts are UUIDs is not said by a pattern.",
    "pass2u groupingIdentifier": "Only passes of some styles have one.",
    "pass2u images.hex": "Only uploaded images have a hash.",
    "pass2u images.type": "Each style has images of its own.",
    "pass2u barcode.message": "A pass keeps the message that it was issued with.",
    "pass2u fields.key": "A key may be named once.",
    "pass2u fields.level.value": "What a field takes, its template says.",
    "pass2u The form cannot be read.": "These bytes are no form.",
    "pass2u The form has no file.": "An empty form is one, too.",
    "pass2u Only PNG images are supported.": "These bytes are no PNG.",
    "pass2u The image is not a complete PNG file.": "These bytes are no PNG.",
    # The WalletPass.ai API.
    **dict.fromkeys(
        (f"walletpass brand_colors.{one}_color" for one in ("background", "foreground", "label")),
        "Which texts are colours is not said by a pattern.",
    ),
    **dict.fromkeys(
        (
            f"walletpass {group}_fields{part}"
            for group in ("header", "primary", "secondary", "auxiliary", "back")
            for part in ("", ".key", ".label", ".value")
        ),
        "Wallet's own demands of fields, such as that no two have one key.",
    ),
    **dict.fromkeys(
        (
            f"walletpass assets.{slot}"
            for slot in ("apple.logo", "apple.icon", "apple.strip", "google.logo", "google.hero")
        ),
        "Only what was uploaded is there.",
    ),
    "walletpass barcode.format": "Which words are formats is not said by a schema.",
    "walletpass expiration_date": "A moment that has passed, or is in no calendar.",
    "walletpass points": "The balance would fall below zero, or rise too high.",
    "walletpass rules.max_points": "Of two bounds the upper one may not be the lower.",
    "walletpass tenant_id": "A style is named with its tenant.",
    "walletpass image_broken": "These bytes are no image.",
    "walletpass image_too_large": "These bytes are too large an image.",
    "walletpass too_many_keyless_links": "Without a key one waits.",
    # PassSource's dialect.
    "parameter_invalid": "Of two query parameters one is needed, which OpenAPI cannot say.",
}
