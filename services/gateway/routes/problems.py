"""The problems that no operation lists: those of other services, and those of any address.

The gateway knows the errors of other services only by their codes. A test compares this table with
the classes, so that both say the same.
"""

from collections.abc import Mapping
from typing import Final

UNLISTED: Final[Mapping[str, tuple[int, str]]] = {
    "called_by_webhook": (
        400,
        "A webhook leads here, which would tell itself of what it does: let your own system call.",
    ),
    "callback_refused": (401, "The callback is not signed by Google for this issuer."),
    "login_refused": (401, "The e-mail address or the password is wrong."),
    "subscription_ended": (401, "The subscription of this account has ended."),
    "token_refused": (401, "The authentication token is not that of a pass of ours."),
    "no_right": (403, "With that clientHash nobody has a right to this template."),
    "edit_code_refused": (403, "That is not the psEditCode of this template."),
    "scope_missing": (403, "The API key lacks the scope that the operation needs."),
    "text_not_allowed": (403, "Texts would show what this API key may not see."),
    "loyalty_pass_not_found": (404, "The member has no Google Wallet loyalty pass that is valid."),
    "tenant_not_found": (404, "There is no such tenant that may be asked so."),
    "attribute_not_found": (404, "A pass has no such attribute."),
    "delivery_not_found": (404, "There is no such delivery in this account."),
    "endpoint_not_found": (404, "There is no such webhook endpoint in this account."),
    "enrolment_not_found": (404, "No enrolment of this account has a pass of this handle."),
    "event_not_found": (
        404,
        "There is no such event in this account, or it is older than 30 days.",
    ),
    "google_object_not_found": (404, "Nobody wanted this pass in Google Wallet."),
    "field_not_found": (404, "The model has no such field."),
    "member_not_found": (404, "There is no such member in this account."),
    "model_not_found": (404, "There is no model with this number in this account."),
    "not_available_yet": (404, "The page at this address is not available yet."),
    "pass_not_found": (404, "There is no such pass in this account."),
    "pass_of_model_not_found": (404, "There is no such pass of this model."),
    "pass_unknown": (404, "There is no pass of this hashedSerialNumber."),
    "push_job_not_found": (
        404,
        "There is no such push job in this account, or it ended more than 30 days ago.",
    ),
    "template_hash_unknown": (404, "There is no template of this templateHash."),
    "not_acceptable": (
        405,
        "The answer cannot be given in any of the media types that the request accepts.",
    ),
    "method_not_allowed": (405, "That method is not taken at this address."),
    "barcode_message_fixed": (
        409,
        "A pass of this template keeps the barcode message that it was issued with.",
    ),
    "barcode_message_taken": (409, "Another pass of the template has this barcode message."),
    "endpoint_disabled": (409, "The webhook endpoint is disabled; enable it first."),
    "endpoint_exists": (409, "A webhook endpoint with this id is already there."),
    "google_issuer_differs": (
        409,
        "Google links only objects of one issuer: the template of linked passes has another one.",
    ),
    "pass_deleted_meanwhile": (409, "The pass was deleted while it was asked for: ask again."),
    "external_id_taken": (409, "Another member of this account has this external id."),
    "member_exists": (409, "There is a member with this id already."),
    "push_job_ended": (409, "The push job has ended."),
    "too_many_endpoints": (409, "An account may have at most 50 webhook endpoints."),
    "webhook_rotated_too_often": (
        409,
        "A webhook endpoint signs with at most 10 former secrets: rotate without grace, or wait.",
    ),
    "refused_by_google": (409, "Google Wallet does not take this pass."),
    "link_used_up": (410, "As many passes as this link may give have been given."),
    "pass_deleted": (410, "The pass was deleted."),
    "pass_gone": (410, "The pass has been deleted."),
    "expectation_failed": (417, "The request expects something that is not done here."),
    "asset_name_invalid": (
        422,
        "A name has 1 to 100 of A-Z a-z 0-9 . _ and -, and begins with a letter or digit.",
    ),
    "asset_unknown": (422, "An image cannot be had."),
    "tenant_needed": (422, "`tenant_id` must say whose member is meant."),
    "barcode_message_needed": (
        422,
        "Each pass of this template needs a barcode message of its own: `barcode_message`.",
    ),
    "constructor_invalid": (422, "The passConstructor cannot be used."),
    "function_unknown": (422, "There is no such function."),
    "identity_invalid": (422, "The certificate cannot be used to sign passes."),
    "image_dimensions_too_large": (422, "An image has at most 1024 x 1024 pixels."),
    "image_not_fetched": (422, "The image cannot be fetched."),
    "image_slot_unknown": (422, "A pass has no image of this name."),
    "member_invalid": (422, "The member cannot be saved so."),
    "member_unknown": (422, "There is no such member in this account."),
    "style_group_unknown": (422, "There is no such style group in this account."),
    "nothing_to_export": (422, "The template has no psExportPaths."),
    "page_invalid": (422, "There is no such page."),
    "parameter_invalid": (422, "A parameter is missing or wrong."),
    "pass_data_refused": (422, "What the pass is to have is not possible."),
    "pass_full": (422, "The pass has no room for more values."),
    "points_refused": (422, "The points cannot be changed so."),
    "range_empty": (
        422,
        "Of two bounds the upper one lies below the lower one: nobody is between them.",
    ),
    "template_deleted": (422, "The template was deleted."),
    "too_many_linked": (422, "At most 50 objects are linked to the object of a pass at Google."),
    "too_many_images": (422, "One request names at most 20 addresses of images."),
    "too_many_replayed": (
        422,
        "More than 10,000 events would be sent again; part them with `since` and `until`.",
    ),
    "trigger_error": (422, "A rule of the template stopped it."),
    "too_many_keyless_links": (
        429,
        "Too many requests without an API key: wait as long as Retry-After says.",
    ),
    "too_many_requests": (429, "Too many of these at a time: wait, then try again."),
    "too_many_rule_runs": (
        429,
        "Too many events of this pass or account wait for the URLs that their rules call.",
    ),
    "internal": (500, "Something failed on our side; nothing was done."),
    "internal_error": (500, "Something failed on our side that nobody foresaw."),
    "seal_broken": (500, "A sealed secret was altered, or belongs to another purpose or owner."),
    "unknown_master_key": (500, "A secret was sealed with a master key that is not configured."),
    "broker_away": (
        503,
        "The messaging system is away for the moment; the same request may be sent again.",
    ),
    "database_away": (
        503,
        "The database is away for the moment; the same request may be sent again.",
    ),
    "no_answer": (
        503,
        "No answer in time. Send the same request again, with its Idempotency-Key if it has one.",
    ),
}
"""Code → HTTP status and what it means."""
