"""Limits of a sliding window, at moments that the tests choose."""

from shared.http.windows import SlidingWindows


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_no_second_holds_more_than_the_limit_wherever_it_begins():
    clock = Clock()
    windows = SlidingWindows(3, now=clock)
    admitted: list[float] = []

    for tenth in range(50):
        clock.now = 100 + tenth / 10
        admitted += [clock.now for _ in range(2) if windows.admit("key")]

    assert len(admitted) == 15
    for begin in admitted:
        assert sum(begin <= moment < begin + 1 for moment in admitted) <= 3


def test_what_is_refused_does_not_count():
    clock = Clock()
    windows = SlidingWindows(1, now=clock)

    answers = [windows.admit("key") for _ in range(5)]
    clock.now += 1

    assert answers == [True, False, False, False, False]
    assert windows.admit("key")


def test_each_name_has_a_window_of_its_own():
    windows = SlidingWindows(1, now=Clock())

    assert [windows.admit(name) for name in ("a", "b", "a")] == [True, True, False]


def test_a_smaller_limit_holds_at_once():
    windows = SlidingWindows(4, now=Clock())
    before = [windows.admit("key") for _ in range(2)]

    windows.limit = 2

    assert before == [True, True]
    assert not windows.admit("key")


def test_only_so_many_names_are_known():
    windows = SlidingWindows(1, most=2, now=Clock())

    assert [windows.admit(name) for name in ("a", "b", "c")] == [True] * 3
    assert windows.admit("a")
    assert not windows.admit("c")
