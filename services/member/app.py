"""Puts the member service together."""

from pathlib import Path

from services.member.handlers.enrolments import (
    confirm_enrolments,
    enrol_members,
    list_enrolments,
    recall_enrolled,
    recall_enrolments,
    reduce_enrolled,
    reduce_enrolment,
)
from services.member.handlers.members import (
    adjust_points,
    delete_members,
    follow_adjustments,
    list_members,
    list_points,
    read_members,
    read_style_uses,
    recall_entries,
    recall_saved,
    reduce_entry,
    reduce_saved,
    save_members,
)
from services.member.settings import Settings
from shared.contracts.member import (
    AdjustPoints,
    ConfirmEnrolment,
    DeleteMember,
    EnrolMember,
    ListEnrolments,
    ListMembers,
    ListPoints,
    ReadMember,
    ReadMemberStyleUse,
    SaveMember,
)
from shared.contracts.triggers import PointsAdjusted
from shared.database import Database
from shared.messaging.subscription import Memory, answer, on
from shared.messaging.transport import Transport
from shared.service import Service

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: Settings, _transport: Transport) -> Service:
    """Make the service; nothing is connected yet."""
    return Service(
        name="member",
        database=Database(
            settings.database_url.get_secret_value(), schema="member", size=settings.pool_size
        ),
        keys=settings.read_master_keys(),
        host=settings.host,
        migrations=MIGRATIONS,
        subscriptions=[
            on(PointsAdjusted, follow_adjustments),
            answer(SaveMember, save_members, Memory(reduce_saved, recall_saved)),
            answer(DeleteMember, delete_members),
            answer(AdjustPoints, adjust_points, Memory(reduce_entry, recall_entries)),
            answer(EnrolMember, enrol_members, Memory(reduce_enrolled, recall_enrolled)),
            answer(
                ConfirmEnrolment, confirm_enrolments, Memory(reduce_enrolment, recall_enrolments)
            ),
            answer(ReadMember, read_members),
            answer(ReadMemberStyleUse, read_style_uses),
            answer(ListMembers, list_members),
            answer(ListPoints, list_points),
            answer(ListEnrolments, list_enrolments),
        ],
    )
