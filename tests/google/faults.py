"""What goes wrong at Google, on order."""

import asyncio
from dataclasses import dataclass
from typing import Literal

Kind = Literal["lose", "fail", "hold"]


@dataclass
class Fault:
    kind: Kind
    times: int
    of: str
    """Part of what it happens to, such as "PATCH /walletobjects/v1/loyaltyObject/"."""
    status: int = 503
    retry_after: int | None = None


class Faults:
    """Each order is met by the next requests that it is for."""

    def __init__(self) -> None:
        self.away = False
        """Every connection is cut, and nothing is done."""
        self.seconds: float = 0
        """How long each answer takes."""
        self._orders: list[Fault] = []
        self._released = asyncio.Event()
        self._released.set()

    def lose(self, times: int = 1, of: str = "") -> None:
        """Do what is asked, and cut the connection instead of an answer."""
        self._orders.append(Fault("lose", times, of))

    def fail(
        self, status: int = 503, times: int = 1, of: str = "", retry_after: int | None = None
    ) -> None:
        """Answer with this status, and do nothing."""
        self._orders.append(Fault("fail", times, of, status, retry_after))

    def hold(self, times: int = 1, of: str = "") -> None:
        """Do what is asked, and answer only at `release`."""
        self._released.clear()
        self._orders.append(Fault("hold", times, of))

    def release(self) -> None:
        """Send the answers that are held, and hold no more."""
        self._orders = [order for order in self._orders if order.kind != "hold"]
        self._released.set()

    async def released(self) -> None:
        """Wait for `release`."""
        await self._released.wait()

    def next(self, request: str) -> Fault | None:
        """Take the order that is for a request, given as "METHOD /path"."""
        for order in self._orders:
            if order.of in request:
                order.times -= 1
                if not order.times:
                    self._orders.remove(order)
                return order
        return None
