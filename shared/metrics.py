"""Every Prometheus metric, declared once; routes and consumers record, handlers do not."""

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

_MESSAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

messages = Counter(
    "passwright_messages_total",
    "Messages handled, by name and outcome.",
    ("service", "name", "outcome"),
)
message_seconds = Histogram(
    "passwright_message_seconds",
    "Seconds one message took to handle.",
    ("service", "name"),
    buckets=_MESSAGE_SECONDS,
)
requests = Counter(
    "passwright_http_requests_total",
    "HTTP requests answered, by route template and status.",
    ("route", "method", "status"),
)
request_seconds = Histogram(
    "passwright_http_request_seconds",
    "Seconds one HTTP request took to answer.",
    ("route",),
    buckets=_REQUEST_SECONDS,
)
outbox_oldest_age_seconds = Gauge(
    "passwright_outbox_oldest_age_seconds",
    "Age of the oldest event that has not been sent.",
    ("service",),
)
events_sent_again = Counter(
    "passwright_events_sent_again_total",
    "Events that the broker had confirmed and their consumer never got, by queue.",
    ("service", "queue"),
)
content_overdue = Counter(
    "passwright_content_overdue_total",
    "Requests for passes whose content was late by more than a minute.",
)
dead_letters = Counter(
    "passwright_dead_letters_total",
    "Messages given up on, by name.",
    ("service", "name"),
)
pushes = Counter(
    "passwright_pushes_total",
    "Pushes to devices, by what they led to.",
    ("outcome",),
)
push_seconds = Histogram(
    "passwright_push_seconds",
    "Seconds from asking for a push until Apple took it.",
    buckets=(*_REQUEST_SECONDS, 30, 60, 300, 3600),
)
google_steps = Counter(
    "passwright_google_steps_total",
    "Steps taken at Google Wallet for classes and objects, by what they led to.",
    ("step", "outcome"),
)
google_seconds = Histogram(
    "passwright_google_seconds",
    "Seconds from asking for a change until Google Wallet had it.",
    buckets=(*_REQUEST_SECONDS, 30, 60, 300, 3600, 14400),
)
device_lines = Counter(
    "passwright_device_lines_total",
    "Lines that devices logged, by what became of them.",
    ("outcome",),
)


def render() -> tuple[bytes, str]:
    """All metrics in the text format, and its media type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


def count_messages(service: str, name: str, outcome: str, count: int, seconds: float) -> None:
    """Record messages of one name that were handled together in `seconds`."""
    messages.labels(service, name, outcome).inc(count)
    if seconds:
        message_seconds.labels(service, name).observe(seconds)


def count_device_lines(**outcomes: int) -> None:
    """Record what became of lines that devices logged: outcome → how many."""
    for outcome, count in outcomes.items():
        device_lines.labels(outcome).inc(count)
