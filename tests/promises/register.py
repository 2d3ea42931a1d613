"""What Passwright promises, how much of it, and which tests prove it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent

State = Literal["proven", "partly", "absent"]


@dataclass(frozen=True)
class Promise:
    """One promise; it is proven by `test_pNN_*.py` here and by the tests named with it."""

    number: int
    text: str
    figure: str
    """How much is promised."""
    before: State
    """Where it stood when the promises were first counted."""
    also: Sequence[str] = ()
    """Tests of every run that prove it, too."""
    later: str = ""
    """What has to come before it can be proven."""

    @property
    def tests(self) -> list[str]:
        """Files, or single tests, as pytest names them."""
        own = sorted(HERE.glob(f"test_p{self.number:02}_*.py"))
        return [*(str(path.relative_to(ROOT)) for path in own), *self.also]


JOBS = "tests/integration/notifier/test_jobs.py"
BAD_DAYS = "tests/e2e/test_bad_days.py"
SMARTPASS = "tests/e2e/test_smartpass.py"
OPERATIONS = "comes with operations"

PROMISES: Final = (
    Promise(
        1,
        "A 2xx of the gateway has exactly one effect",
        "100,000 requests, a process killed every 5 s: 0 lost, 0 done twice",
        "partly",
    ),
    Promise(
        2,
        "Repeating a request with its Idempotency-Key is safe at any time",
        "50 at once: one execution, all get its answer; 422 for another body; for 48 hours",
        "partly",
    ),
    Promise(
        3,
        "Loss of the broker loses nothing that was acknowledged",
        "120 s without a broker: 503 within a second, all there within 60 s of its return",
        "absent",
    ),
    Promise(
        4,
        "What cannot be taken is refused at once",
        "503 with Retry-After and a problem type within a second; 0 accepted and lost",
        "partly",
        [
            "tests/promises/test_p03_broker_away.py",
            f"{BAD_DAYS}::test_with_it_away_the_gateway_says_so_at_once_and_recovers",
        ],
    ),
    Promise(
        5,
        "Confirmed messages survive kill -9 of the broker",
        "20 times 5,000 messages: 100,000 of 100,000",
        "partly",
    ),
    Promise(
        6,
        "A publish whose outcome is unknown has one effect",
        "broker frozen for 30 s or out of memory: 0 effects twice, twins absorbed",
        "partly",
    ),
    Promise(
        7,
        "Every crash point balances",
        "all points of all services, each balanced within 30 s",
        "absent",
    ),
    Promise(
        8,
        "Consumers come back by themselves",
        "queue deleted, connection cut, broker restarted or frozen: within 15 s, 50 of 50",
        "partly",
    ),
    Promise(
        9,
        "A message that kills is isolated, others survive",
        "1 in 1,000: one dead letter, 999 handled, at most 5 starts",
        "partly",
    ),
    Promise(
        10,
        "Updates of one pass apply in order",
        "200 passes, 50 updates each, a service killed every 10 s: no version goes back",
        "partly",
    ),
    Promise(
        11,
        "A clean stop loses and doubles nothing",
        "SIGTERM under load 100 times: 0 lost, 0 twice, ended within 25 s",
        "partly",
    ),
    Promise(
        12,
        "Scaling out and in at any time is safe",
        "1, 8 and 2 consumers under load; 0.7 of linear up to 4",
        "absent",
        later=OPERATIONS,
    ),
    Promise(
        13,
        "A restart of PostgreSQL is survived",
        "20 immediate restarts: errors for less than 5 s each, all balanced",
        "partly",
    ),
    Promise(
        14,
        "Webhooks are attempted for three days",
        "10 attempts at their times ±20 %, then told to be exhausted",
        "partly",
        [f"{JOBS}::test_delivery_is_exhausted_after_ten_attempts"],
    ),
    Promise(
        15,
        "Signatures verify with the libraries of Standard Webhooks",
        "1,000 random bodies all verify, no altered one does",
        "partly",
    ),
    Promise(
        16,
        "Rotating a secret drops nothing",
        "rotated every second; receivers with the old or the new one verify everything",
        "partly",
    ),
    Promise(
        17,
        "A slow endpoint delays no other",
        "1 of 100 hangs for 15 s: p99 of the others under 2 s",
        "partly",
    ),
    Promise(
        18,
        "Endpoints that only fail are disabled, others never",
        "after five days or at 410; one success a day keeps it enabled",
        "proven",
        [
            f"{JOBS}::test_receiver_that_says_so_is_disabled_at_once",
            f"{JOBS}::test_endpoint_that_only_fails_for_five_days_is_disabled",
            f"{JOBS}::test_one_success_in_five_days_keeps_an_endpoint_enabled",
        ],
    ),
    Promise(
        19,
        "An outage of a partner can be recovered",
        "10,000 failed deliveries: each sent again once, oldest first",
        "partly",
    ),
    Promise(
        20,
        "Partners can restore the order",
        "every pass rebuilt from the feed, without gaps",
        "proven",
        ["tests/e2e/test_events.py::test_every_pass_is_rebuilt_exactly_from_the_feed"],
    ),
    Promise(
        21,
        "Addresses that users give reach nothing internal",
        "literals, names, redirects, changing resolvers: 0 connections",
        "proven",
        ["tests/integration/http/test_outgoing.py"],
    ),
    Promise(
        22,
        "Uploads cannot exhaust memory",
        "bombs refused within 200 ms; 10 min of random bytes per parser: under 64 MiB, no crash",
        "partly",
    ),
    Promise(
        23,
        "Conditions and placeholders are bounded",
        "hostile and random ones: under 10 ms or refused",
        "partly",
    ),
    Promise(
        24,
        "Enrolment links cannot be forged, altered or moved",
        "every byte changed; account, purpose and key exchanged: 0 accepted",
        "partly",
        [
            "tests/unit/passes/test_link_tokens.py",
            f"{SMARTPASS}::test_altered_links_and_those_of_other_programs_are_not_found",
        ],
    ),
    Promise(
        25,
        "One account never sees another's data",
        "two accounts, every operation: 0 rows of the other",
        "partly",
    ),
    Promise(
        26,
        "Secrets never leave",
        "unlike values in every field that holds one: 0 found elsewhere",
        "partly",
        ["tests/e2e/test_data_at_rest.py", "tests/integration/messaging/test_canaries.py"],
    ),
    Promise(
        27,
        "Keys are rotated without a stop",
        "master keys, API keys and webhook secrets under load: 0 requests fail",
        "partly",
    ),
    Promise(
        28,
        "Pages, CSV and passes carry no injection",
        "hostile texts through every field: no script, no formula",
        "partly",
    ),
    Promise(
        29,
        "The API is what its OpenAPI document says",
        "1,000 examples per operation, all checks: 0 failures, 0 of 5xx",
        "absent",
    ),
    Promise(
        30,
        "Every event is what its schema says",
        "all events of the journeys; older readers read newer ones",
        "proven",
        ["tests/contracts", "tests/e2e/test_events.py"],
    ),
    Promise(
        31,
        "Rate limits are fair and announced",
        "one account at ten times its limit: no request of the other refused",
        "absent",
        ["tests/e2e/test_limits.py", "tests/integration/gateway/test_limits.py"],
    ),
    Promise(
        32,
        "Sustained speed",
        "10 min: 500 accepted per second, p99 under 100 ms",
        "absent",
        later=OPERATIONS,
    ),
    Promise(
        33,
        "A backlog is worked off",
        "1,000,000 commands, memory flat",
        "absent",
        later=OPERATIONS,
    ),
    Promise(
        34,
        "Nothing leaks",
        "2 h with faults: under 1 MiB per hour",
        "partly",
        later=OPERATIONS,
    ),
    Promise(
        35,
        "Upgrades need no stop",
        "release by release under load: 0 requests fail",
        "partly",
        later=OPERATIONS,
    ),
    Promise(
        36,
        "The broker can be replaced",
        "virtual host deleted amid work: 0 effects lost, all there within 5 min",
        "absent",
    ),
    Promise(
        37,
        "Operators see trouble before partners",
        "every alert within 2 min of its fault",
        "absent",
        later=OPERATIONS,
    ),
    Promise(
        38,
        "A request can be followed from end to end",
        "one trace with all its parts, in 100 of 100",
        "absent",
        later=OPERATIONS,
    ),
    Promise(
        39,
        "Each row of a batch has one effect",
        "100,000 rows → passes, → links, kill -9 of each service in turn: results exact, 0 twice",
        "absent",
    ),
    Promise(
        40,
        "Who passes a limit of points gets the look of it, in step with all others",
        "10,000 members at once, in the bulk lane: all composed; scans amid it p99 under 1 s",
        "absent",
    ),
    Promise(
        41,
        "Long lists cost no memory",
        "1 GiB sent, done and read: no process grows by 64 MiB; a full disk leaves nothing",
        "absent",
    ),
)
