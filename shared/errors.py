"""What can go wrong, named once; callers make problems, outcomes and retries of it."""

from typing import Any, ClassVar


class ApplicationError(Exception):
    """The request cannot be done."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"

    def __init__(
        self, detail: str | None = None, *, errors: list[dict[str, Any]] | None = None
    ) -> None:
        """`errors` lists single faults as `{"pointer": JSON pointer or path, "detail": text}`."""
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.errors = errors or []
        super().__init__(self.detail)


class InvalidError(ApplicationError):
    """The content is well formed but cannot be accepted."""

    status = 422
    code = "invalid"


class UnauthorizedError(ApplicationError):
    """A valid API key is needed."""

    status = 401
    code = "unauthorized"


class ForbiddenError(ApplicationError):
    """The API key may not do that."""

    status = 403
    code = "forbidden"


class NotFoundError(ApplicationError):
    """There is no such thing in this account."""

    status = 404
    code = "not_found"


class ConflictError(ApplicationError):
    """The request contradicts what is there."""

    status = 409
    code = "conflict"


class GoneError(ApplicationError):
    """It was here and has been deleted."""

    status = 410
    code = "gone"


class TooLargeError(ApplicationError):
    """The body is larger than this address takes."""

    status = 413
    code = "too_large"


class TooManyRequestsError(ApplicationError):
    """Too many of these at a time: wait, then try again."""

    status = 429
    code = "too_many_requests"


class UnavailableError(ApplicationError):
    """A part of the system is away for the moment; the same request may be sent again."""

    status = 503
    code = "unavailable"


class RetryableError(Exception):
    """A passing trouble: the message is to be delivered again later."""


class InternalError(ApplicationError):
    """Something failed on our side; nothing was done."""

    status = 500
    code = "internal"


class NotReadyError(Exception):
    """A row needs a revision that has not arrived, or a run to end; ask again in a moment."""
