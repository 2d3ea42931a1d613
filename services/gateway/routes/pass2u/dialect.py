"""The dialect as a whole: its name, and how its endpoints and its document are described."""

from functools import partial
from typing import Final

from services.gateway.routes.documents import Dialect
from services.gateway.routes.pass2u.words import Message, write_message
from shared.http.endpoint import JSON_MEDIA, AnyEndpoint, Endpoint

TAG: Final = "Pass2U"
NAME: Final = "pass2u"
ROOT: Final = "/v2/"
DESCRIPTION: Final = """Passes of models: templates by a number, the `model_id` of a template.

What a pass is given it keeps, whatever its model does later; a delete resets it to the model's.
Only fields whose value the template marks as `dynamic` take values. `barcode_policy` of the
template says where the barcode's message comes from: `data`, `unique`, `random`, or `template`.
Success is 200; an error has a `message`. A key may call each operation 100 times a second."""

endpoint: Final[partial[AnyEndpoint]] = partial(
    Endpoint,
    tag=TAG,
    dialect=NAME,
    write_error=write_message,
    other_errors={JSON_MEDIA: Message},
    writes_no_problems=True,
)
"""Makes an endpoint of this dialect."""

DIALECT: Final = Dialect(
    name=NAME,
    tag=TAG,
    root=ROOT,
    title="Pass2U's Pass API 2.0 on Passwright",
    description=DESCRIPTION,
)
"""As its own document describes it."""
