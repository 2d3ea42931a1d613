"""Tables of devices, and of what they are told."""

from services.notifier.apple.repository.contents import ContentRepository
from services.notifier.apple.repository.devices import DeviceRepository
from services.notifier.apple.repository.identities import IdentityRepository
from services.notifier.apple.repository.passes import PassRepository
from services.notifier.apple.repository.pushing import PushingRepository
from services.notifier.apple.repository.wakes import WakeRepository

__all__ = [
    "ContentRepository",
    "DeviceRepository",
    "IdentityRepository",
    "PassRepository",
    "PushingRepository",
    "WakeRepository",
]
