"""Tables of what is to be at Google."""

from services.notifier.google.repository.comparisons import ComparisonRepository
from services.notifier.google.repository.documents import DocumentRepository
from services.notifier.google.repository.issuers import IssuerRepository
from services.notifier.google.repository.jobs import JobRepository
from services.notifier.google.repository.limits import LimitRepository
from services.notifier.google.repository.notices import NoticeRepository
from services.notifier.google.repository.standings import StandingRepository

__all__ = [
    "ComparisonRepository",
    "DocumentRepository",
    "IssuerRepository",
    "JobRepository",
    "LimitRepository",
    "NoticeRepository",
    "StandingRepository",
]
