"""What the gateway does about what others tell."""

from collections import defaultdict
from uuid import UUID

from services.gateway.catalogue.batches import Batches
from services.gateway.catalogue.member_passes import MemberPasses
from shared.contracts.member import ErasedMember, MembersErased
from shared.database import UnitOfWork


async def erase_members(
    messages: list[MembersErased],
    work: UnitOfWork,
    *,
    batches: Batches,
    member_passes: MemberPasses,
) -> None:
    """Take members who are gone out of batches, their files and results; forget their passes."""
    erased: defaultdict[UUID, list[ErasedMember]] = defaultdict(list)
    for message in messages:
        for member in message.members:
            erased[member.account_id].append(member)
    await batches.erase(work, erased)
    ids = {account_id: {one.member_id for one in gone} for account_id, gone in erased.items()}
    await member_passes.forget_members(work, ids)
