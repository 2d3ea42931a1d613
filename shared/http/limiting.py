"""Who asks too often waits: token buckets in this process's memory, and how they are told."""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import Final

from aiohttp import hdrs, web

from shared.errors import TooManyRequestsError
from shared.http.forwarding import client_address, network_of

MAX_BUCKETS = 50_000
"""Some 300 bytes each."""


class RateLimitedError(TooManyRequestsError):
    """Requests come faster than they may: wait as long as Retry-After says."""

    code = "rate_limited"

    def __init__(self, seconds: int = 1) -> None:
        super().__init__()
        self.headers = {hdrs.RETRY_AFTER: str(seconds)}


class Buckets:
    """A bucket of tokens for each name: it holds `burst`, and gets `rate` a second.

    Past `most` names the one that was least recently used is forgotten and begins anew with a full
    bucket, so that whoever has many names fills no memory. With `rate` 0 there is no limit.
    """

    def __init__(
        self,
        policy: str,
        rate: float,
        burst: int,
        *,
        most: int = MAX_BUCKETS,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._policy = policy
        self._rate = rate
        self._burst = float(burst) if rate else math.inf
        self._most = most
        self._now = now
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        """Name → tokens, and the moment at which there were so many."""
        window = math.ceil(burst / rate) if rate else 0
        self._policy_header = f'"{policy}";q={burst};w={window}'

    def __contains__(self, name: Hashable) -> bool:
        return name in self._buckets

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: Hashable) -> float:
        """Take a token and return how many are left; below 0 there was none to take."""
        moment = self._now()
        tokens, since = self._buckets.get(name, (self._burst, moment))
        left = min(self._burst, tokens + (moment - since) * self._rate) - 1
        self._buckets[name] = left if left >= 0 else left + 1, moment
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return left

    def give_back(self, name: Hashable) -> None:
        """Put a token back that should not have been taken."""
        if name in self._buckets:
            tokens, since = self._buckets[name]
            self._buckets[name] = min(self._burst, tokens + 1), since

    def forget(self, name: Hashable) -> None:
        """Know a name no more."""
        self._buckets.pop(name, None)

    def seconds_until_next(self, left: float) -> int:
        """Say when there will be a token, in whole seconds, after `take` returned less than 0."""
        return max(1, math.ceil(-left / self._rate))

    def headers(self, left: float) -> dict[str, str]:
        """Tell the client where it stands, as draft-ietf-httpapi-ratelimit-headers-11 writes it."""
        if not self._rate:
            return {}
        state = f"r={int(left)}" if left >= 0 else f"r=0;t={self.seconds_until_next(left)}"
        return {
            "RateLimit-Policy": self._policy_header,
            "RateLimit": f'"{self._policy}";{state}',
        }


class Limits:
    """Counts each request once: for its network, until its credential has proved good.

    So nobody uses up what belongs to a key without its secret, a flood with one key leaves others
    of its network alone, and made-up keys cost the network of whoever makes them up.
    """

    def __init__(self, networks: Buckets, credentials: Buckets) -> None:
        self._networks = networks
        self._credentials = credentials

    def admit(self, request: web.Request, credential: str | None) -> None:
        """Let a request in before anything is looked up for it, or raise RateLimitedError."""
        name = _digest(credential) if credential else None
        if name is not None and name in self._credentials:
            self._take(request, self._credentials, name)
        else:
            self.count_stranger(request)

    def count_stranger(self, request: web.Request) -> None:
        """Count a request for its network, or raise RateLimitedError."""
        self._take(request, self._networks, network_of(client_address(request)))

    def prove(self, request: web.Request, credential: str) -> None:
        """Count a request for its credential instead, which is good."""
        taken = request.get(_TAKEN)
        if taken is None or taken.buckets is self._credentials:
            return
        taken.buckets.give_back(taken.name)
        self._take(request, self._credentials, _digest(credential))

    def disprove(self, credential: str) -> None:
        """Count for their network whoever shows this credential, which is good no more."""
        self._credentials.forget(_digest(credential))

    def _take(self, request: web.Request, buckets: Buckets, name: Hashable) -> None:
        left = buckets.take(name)
        request[_TAKEN] = _Taken(buckets, name, left)
        if left < 0:
            raise RateLimitedError(buckets.seconds_until_next(left))


@dataclass(frozen=True, slots=True)
class _Taken:
    """From which bucket a request took its token."""

    buckets: Buckets
    name: Hashable
    left: float


LIMITS: Final = web.AppKey("limits", Limits)
_TAKEN: Final = web.RequestKey("taken", _Taken)


def install_limits(app: web.Application, limits: Limits) -> None:
    """Give an application its limits, and let its answers tell of them."""
    app[LIMITS] = limits
    app.on_response_prepare.append(_tell)


def prove(request: web.Request, credential: str) -> None:
    """Say that the credential of a request is good."""
    if limits := request.app.get(LIMITS):
        limits.prove(request, credential)


def disprove(request: web.Request, credential: str) -> None:
    """Say that the credential of a request is not good."""
    if limits := request.app.get(LIMITS):
        limits.disprove(credential)


async def _tell(request: web.Request, response: web.StreamResponse) -> None:
    if taken := request.get(_TAKEN):
        response.headers.update(taken.buckets.headers(taken.left))


def _digest(credential: str) -> bytes:
    """Name a credential without keeping it."""
    return sha256(credential.encode("utf-8", "surrogatepass")).digest()
