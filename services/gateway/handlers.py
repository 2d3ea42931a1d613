"""What the gateway does about what others tell."""

from collections import defaultdict
from uuid import UUID

from services.gateway.catalogue.batches import Batches
from shared.contracts.member import MembersErased
from shared.database import UnitOfWork


async def erase_members(
    messages: list[MembersErased], work: UnitOfWork, *, batches: Batches
) -> None:
    """Take members who are gone out of the files and results of batches."""
    erased: defaultdict[UUID, set[str]] = defaultdict(set)
    for message in messages:
        for member in message.members:
            erased[member.account_id].add(member.member_id)
    await batches.erase(work, erased)
