"""Writes what became of the rows of a batch: their own columns, then ours."""

from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, Iterator, Sequence

from services.gateway.context import Context
from services.gateway.domain.batches import ENDED, Batch, BatchGoesOnError, KeptRow, Outcome
from services.gateway.usecases.exports import cell, harmless, write_rows
from services.gateway.usecases.passes import page_url
from shared.yielding import yielding

ROWS_AT_ONCE = 100


async def result_pieces(
    context: Context, batch: Batch, *, only_errors: bool = False
) -> AsyncGenerator[bytes]:
    """Write all rows in their order, or those that failed, with the separator of the file."""
    if batch.state not in ENDED:
        raise BatchGoesOnError
    columns, separator = batch.terms.columns, batch.terms.separator
    shown = [at for at, column in enumerate(columns) if column.target]
    ours = _own_columns(batch)
    ids = [at for at in shown if batch.kind == "members" and columns[at].fact == "member_id"]
    head = [*(harmless(columns[at].name) for at in shown), *ours]
    yield BOM_UTF8 + write_rows([head], separator)
    async for rows, outcomes in context.batches.results(batch):
        lines: list[Sequence[str]] = []
        async for row, outcome in yielding(_with_outcomes(batch, rows, outcomes), ROWS_AT_ONCE):
            if only_errors and outcome.error is None:
                continue
            texts = row.texts(columns)
            cells = {
                "link": _link(context, outcome),
                batch.terms.handle_name: outcome.handle or "",
                "member_id": outcome.member_id or "",
                "error": harmless(outcome.error or ""),
            }
            for at in ids:  # of a member that the row has found or made
                texts[at] = texts[at] or cells["member_id"]
            lines.append([*(cell(texts[at]) for at in shown), *(cells[name] for name in ours)])
        if lines:
            yield write_rows(lines, separator)


def _own_columns(batch: Batch) -> list[str]:
    """Name the columns that the file itself does not have."""
    targets = {column.fact for column in batch.terms.columns}
    ours = {
        "passes": ["link", batch.terms.handle_name, "error"],
        "links": ["link", "error"],
        "members": ["member_id", "error"],
        "changes": ["link", "handle", "error"],
    }[batch.kind]
    return [name for name in ours if name not in targets]


def _with_outcomes(
    batch: Batch, rows: Sequence[KeptRow], outcomes: Sequence[Outcome] | None
) -> Iterator[tuple[KeptRow, Outcome]]:
    if outcomes is None:
        undone = Outcome(error=f"The batch was {batch.state} before this row.")
        return ((row, undone) for row in rows)
    return zip(rows, outcomes, strict=True)


def _link(context: Context, outcome: Outcome) -> str:
    if outcome.link is not None:
        return outcome.link
    handles = (outcome.handle or "").split()
    return " ".join(page_url(context, handle) for handle in handles)
