"""Buckets of tokens, at moments that the tests choose."""

from hypothesis import given
from hypothesis import strategies as st

from shared.http.limiting import Buckets


class Clock:
    def __init__(self) -> None:
        self.moment = 1000.0

    def __call__(self) -> float:
        return self.moment


def taken(buckets: Buckets, name: str, wanted: int) -> int:
    """How many of so many tokens there were."""
    return sum(buckets.take(name) >= 0 for _ in range(wanted))


def test_burst_is_let_in_and_what_comes_after_it_is_not():
    buckets = Buckets("network", 50, 1000, now=Clock())

    assert taken(buckets, "stadium", 1200) == 1000


def test_rate_is_let_in_once_the_burst_is_used_up():
    clock = Clock()
    buckets = Buckets("network", 50, 1000, now=clock)
    taken(buckets, "stadium", 1000)

    for _ in range(3):
        clock.moment += 1
        assert taken(buckets, "stadium", 100) == 50


def test_rest_gives_a_whole_burst_back_and_no_more():
    clock = Clock()
    buckets = Buckets("network", 50, 1000, now=clock)
    taken(buckets, "stadium", 1000)
    clock.moment += 3600

    assert taken(buckets, "stadium", 2000) == 1000


def test_names_have_buckets_of_their_own():
    buckets = Buckets("network", 1, 3, now=Clock())

    assert taken(buckets, "flood", 100) == 3
    assert taken(buckets, "other", 3) == 3


def test_who_goes_on_asking_does_not_wait_longer():
    clock = Clock()
    buckets = Buckets("network", 1, 1, now=clock)
    taken(buckets, "flood", 1)

    let_in: list[int] = []
    for _ in range(8):
        clock.moment += 0.25
        let_in.append(taken(buckets, "flood", 10))

    assert let_in == [0, 0, 0, 1, 0, 0, 0, 1]


def test_rate_of_zero_lets_all_in_and_says_nothing():
    buckets = Buckets("network", 0, 1, now=Clock())

    assert taken(buckets, "flood", 5000) == 5000
    assert buckets.headers(buckets.take("flood")) == {}


def test_headers_tell_policy_and_rest():
    buckets = Buckets("network", 50, 1000, now=Clock())

    assert buckets.headers(buckets.take("stadium")) == {
        "RateLimit-Policy": '"network";q=1000;w=20',
        "RateLimit": '"network";r=999',
    }


def test_wait_is_told_in_whole_seconds_after_which_there_is_a_token():
    clock = Clock()
    buckets = Buckets("key", 0.25, 1, now=clock)
    buckets.take("slow")
    clock.moment += 0.5
    left = buckets.take("slow")

    assert buckets.headers(left)["RateLimit"] == '"key";r=0;t=4'
    clock.moment += buckets.seconds_until_next(left)
    assert buckets.take("slow") >= 0


def test_table_is_bounded_and_forgets_who_was_away_longest():
    buckets = Buckets("network", 1, 2, most=100, now=Clock())
    taken(buckets, "regular", 2)
    for number in range(1000):
        buckets.take(f"made up {number}")
        assert buckets.take("regular") < 0

    assert len(buckets) == 100
    assert "made up 0" not in buckets


def test_token_given_back_can_be_taken_again_but_never_more_than_the_burst():
    buckets = Buckets("network", 1, 3, now=Clock())
    taken(buckets, "one", 3)
    buckets.give_back("one")
    assert taken(buckets, "one", 5) == 1

    buckets.take("two")
    for _ in range(10):
        buckets.give_back("two")
    buckets.give_back("nobody")

    assert taken(buckets, "two", 10) == 3
    assert "nobody" not in buckets


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 20))
def test_never_more_than_the_burst_and_what_has_come_since_is_let_in(
    pauses: list[float], rate: int, burst: int
):
    clock = Clock()
    buckets = Buckets("network", rate, burst, now=clock)
    let_in = 0
    for pause in pauses:
        clock.moment += pause
        let_in += taken(buckets, "flood", 10)

    assert let_in <= burst + rate * sum(pauses) + 1e-6
