"""Errors as Google answers them."""

from collections.abc import Mapping
from typing import Any, Final

STATUS: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class GoogleError(Exception):
    """A request that is not done, and what its sender is told."""

    def __init__(self, code: int, reason: str, message: str, domain: str = "walletobjects") -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.domain = code, reason, message, domain

    @property
    def body(self) -> dict[str, Any]:
        cause = {"message": self.message, "domain": self.domain, "reason": self.reason}
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "status": STATUS.get(self.code, "UNKNOWN"),
                "errors": [cause],
            }
        }


class TokenError(Exception):
    """An assertion for which there is no token; told in OAuth's words."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.body = {"error": error, "error_description": description}


class LinkError(Exception):
    """A save link that does not work, as its holder is told."""


def unreadable(message: str) -> GoogleError:
    """Tell that a document is none that the API knows."""
    text = f"Invalid JSON payload received. {message}"
    return GoogleError(400, "badRequest", text, domain="global")


def invalid(message: str) -> GoogleError:
    """Tell that a document breaks a rule."""
    return GoogleError(400, "invalidResource", message)


def unauthenticated() -> GoogleError:
    text = "Request had invalid authentication credentials. Expected OAuth 2 access token."
    return GoogleError(401, "authError", text, domain="global")


def denied() -> GoogleError:
    return GoogleError(403, "permissionDenied", "Permission denied.")


def not_found(part: str, id_: str) -> GoogleError:
    return GoogleError(404, "resourceNotFound", f"Wallet {part} {id_} not found.")
