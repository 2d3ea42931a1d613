"""The statement that lists passes: each filter written out, so that its own index serves it."""

from datetime import datetime
from typing import Any, Final

from services.triggers.domain import BIT_OF
from shared.contracts.triggers import ListPasses

DUE_AT: Final = "(CASE WHEN NOT expired THEN expires_at END)"
"""When a pass's date passes; null once the event of it is logged. As in the index `passes_due`."""


def listing(
    query: ListPasses, columns: str, *, limit: int, settled: int, at: datetime
) -> tuple[str, list[Any]]:
    """Write a keyset page of living passes as a statement and its arguments.

    Passes that others may still come before, up to `settled`, are left out; `at` tells which have
    expired. Those of an e-mail are looked up member by member, in the order of each one's index.
    """
    arguments: list[Any] = []

    def put(argument: object) -> str:
        arguments.append(argument)
        return f"${len(arguments)}"

    account = put(query.account_id)
    conditions = [
        f"account_id = {account}",
        f"position > {put(query.after)} AND position <= {put(settled)}",
        "deleted_at IS NULL",
    ]
    if query.template_id is not None:
        conditions.append(f"template_id = {put(query.template_id)}")
    if query.member_id is not None:
        conditions.append(f"member_id = {put(query.member_id)}")
    if query.email is not None:
        conditions.append("member_id = known.member_id")
    if query.kind not in (None, "create"):
        conditions.append(f"happened > 1 AND happened & {BIT_OF[query.kind]} <> 0")
    if query.voided is not None:
        conditions.append("voided" if query.voided else "NOT voided")
    most = put(limit + query.skip)
    found = " UNION ALL ".join(
        f"(SELECT * FROM passes WHERE {' AND '.join([*conditions, *state])}"  # noqa: S608 - our own columns
        f" ORDER BY position LIMIT {most})"
        for state in _states(query, put(at) if query.expired is not None else "")
    )
    if query.email is not None:
        found = f"""
            SELECT listed.*
            FROM members AS known
            CROSS JOIN LATERAL ({found}) AS listed
            WHERE known.account_id = {account}
                AND known.email = lower({put(query.email)})
            """  # noqa: S608 - our own columns
    statement = f"""
        SELECT {columns}
        FROM ({found}) AS listed
        ORDER BY position
        LIMIT {put(limit)}
        OFFSET {put(query.skip)}
        """  # noqa: S608 - our own words, see `put`
    return statement, arguments


def _states(query: ListPasses, at: str) -> list[list[str]]:
    """Say of what the list is made: expired passes are those with their event and those due."""
    if query.expired is None:
        return [[]]
    if query.expired:
        return [["expired"], [f"{DUE_AT} <= {at}"]]
    return [[f"NOT expired AND (expires_at IS NULL OR expires_at > {at})"]]
