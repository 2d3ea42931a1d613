"""Whatever the order of changes, pushes, lists, fetches, lost answers: devices end up to date."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts.generator import BuiltContent
from tests.integration.notifier.partner import Notifier
from tests.integration.notifier.phones import Card, Phones, a_device

EXAMPLES, SHORTEST, LONGEST = 100, 20, 40

Message = Callable[[], Awaitable[None]]
Step = tuple[str, tuple[int, ...], dict[str, bool]]


@dataclass
class Printed:
    """A pass as triggers and the generator know it."""

    card: Card
    version: int = 1
    push_version: int = 0
    look: int = 0
    """What it shows; bytes differ where this does."""
    built_look: int = 0
    built_version: int = 1
    number: int = 1
    since: dict[int, int] = field(default_factory=dict[int, int])
    """Content number → the first version whose change may be in it."""

    def change(self, *, visible: bool, pushed: bool) -> None:
        self.version += 1
        self.look += visible
        if pushed:
            self.push_version = self.version

    def build(self) -> BuiltContent | None:
        """Render the newest state; nothing is announced when the bytes are the same."""
        since, self.built_version = self.built_version + 1, self.version
        if self.look == self.built_look:
            return None
        self.built_look = self.look
        self.number += 1
        self.since[self.number] = since
        return self.card.built(
            self.number, version=self.version, since=since, push=self.push_version
        )

    def newest_asked(self) -> int:
        """The newest content that holds a change for which a push was asked."""
        asked = (n for n, since in self.since.items() if since <= self.push_version)
        return max(asked, default=1)


@dataclass
class Handset:
    """A device as iOS has it: it repeats what failed, and keeps the tag only with the list."""

    device: str
    tag: str | None = None
    holds: dict[int, int] = field(default_factory=dict[int, int])
    """Place of a pass → the number of the content it shows."""
    to_register: set[int] = field(default_factory=set[int])
    to_fetch: set[int] = field(default_factory=set[int])
    to_list: bool = False


class World:
    def __init__(self, phones: Phones) -> None:
        card = Card()
        self.phones = phones
        self.prints = [Printed(card), Printed(card.another())]
        self.handsets = [Handset(a_device()), Handset(a_device())]
        self.messages: list[Message] = []
        """On their way to the notifier, in no order."""
        self.manual = 0

    @property
    def card(self) -> Card:
        return self.prints[0].card

    async def send(self, message: Message, *, held: bool) -> None:
        if held:
            self.messages.append(message)
        else:
            await message()

    async def change(self, place: int, *, visible: bool, pushed: bool, held: bool) -> None:
        """Change a pass and render it."""
        self.prints[place].change(visible=visible, pushed=pushed)
        await self.build(place, held=held)

    async def change_often(self, place: int, *, visible: bool, pushed: bool) -> None:
        """Change a pass before it is rendered: contents hold several changes then."""
        self.prints[place].change(visible=visible, pushed=pushed)

    async def build(self, place: int, *, held: bool) -> None:
        built = self.prints[place].build()
        if built is not None:
            await self.send(lambda: self.phones.build(built), held=held)

    async def ask_push(self, place: int, *, held: bool) -> None:
        """Let somebody have the pass pushed, as pushPassUpdate and "update all" do."""
        self.prints[place].change(visible=False, pushed=True)
        event = self.prints[place].card.push(self.prints[place].version)
        await self.send(lambda: self.phones.log(event), held=held)

    async def deliver(self, choice: int) -> None:
        if self.messages:
            await self.messages.pop(choice % len(self.messages))()

    async def install(self, who: int, place: int, *, held: bool, lost: bool) -> None:
        """Download a pass; if that is `lost`, the device registers for it only later."""
        handset, printed = self.handsets[who], self.prints[place]
        handset.holds[place] = printed.number
        note = printed.card.fetched(printed.number, source="public")
        await self.send(lambda: self.phones.fetch(note), held=held)
        handset.to_register.add(place)
        if not lost:
            await self.register(who, lost=False)

    async def register(self, who: int, *, lost: bool) -> None:
        handset = self.handsets[who]
        cards = [self.prints[place].card for place in sorted(handset.to_register)]
        if cards:
            await self.phones.register(*(c.registered(handset.device) for c in cards))
            if not lost:
                handset.to_register.clear()

    async def remove(self, who: int, place: int, *, lost: bool) -> None:
        """Drop a pass; iOS does not repeat an unregistration that did not arrive."""
        handset = self.handsets[who]
        if handset.holds.pop(place, None) is None:
            return
        handset.to_register.discard(place)
        handset.to_fetch.discard(place)
        if not lost:
            await self.phones.unregister(self.prints[place].card.unregistered(handset.device))

    async def push(self, who: int) -> None:
        handset = self.handsets[who]
        woken = await self.phones.push(self.card, handset.device)
        handset.to_list = handset.to_list or handset.device in woken

    async def visit(self, who: int, *, lost: bool) -> None:
        """Do all that the device has to, were it not for an answer that gets lost."""
        await self.push(who)
        if self.handsets[who].to_list:
            await self.ask(who, lost=lost)
        for place in sorted(self.handsets[who].to_fetch):
            await self.fetch(who, place, lost=lost)

    async def ask(self, who: int, *, lost: bool) -> None:
        handset = self.handsets[who]
        answer = await self.phones.ask(handset.device, self.card, handset.tag)
        if lost:
            return
        handset.to_list = False
        if answer.serial_numbers:
            handset.tag = answer.last_updated
        handset.to_fetch |= {
            place
            for place in handset.holds
            if self.prints[place].card.serial_number in answer.serial_numbers
        }

    async def fetch(self, who: int, place: int, *, lost: bool) -> None:
        handset, printed = self.handsets[who], self.prints[place]
        if place not in handset.holds:
            return
        if place not in handset.to_fetch:
            self.manual += 1
        status = 200 if handset.holds[place] < printed.number else 304
        await self.phones.fetch(printed.card.fetched(printed.number, status=status))
        if lost:
            self.manual += 1  # if bytes change before it is repeated, it looks like one
        else:
            handset.holds[place] = printed.number
            handset.to_fetch.discard(place)

    async def settle(self, order: random.Random) -> None:
        """Let all arrive, and devices do all that they have to."""
        for _ in range(30):
            while self.messages:
                await self.deliver(order.randrange(len(self.messages)))
            for who in (0, 1):
                await self.register(who, lost=False)
                await self.visit(who, lost=False)
            if not (self.messages or await self.phones.wakes(self.card)):
                return
        raise AssertionError("devices are woken again and again")

    def check_devices(self) -> None:
        for handset in self.handsets:
            for place, number in handset.holds.items():
                assert number >= self.prints[place].newest_asked()

    async def check_acts(self) -> None:
        """The numbers have no gaps, the last one knows the count, and pushes cause no acts."""
        acts = await self.phones.acts(*(printed.card for printed in self.prints))
        for printed in self.prints:
            mine = [a for a in acts if a.handle == printed.card.handle and a.number]
            assert [a.number for a in mine] == list(range(1, len(mine) + 1))
            count = await self.phones.notifier.sql(
                "SELECT count(*) FROM registrations WHERE handle = $1", printed.card.handle
            )
            assert (mine[-1].devices if mine else 0) == count[0]["count"]
        assert sum(a.kind == "device_update" for a in acts) <= self.manual

    async def check_unchanged(self, order: random.Random) -> None:
        """Nobody is woken for what is the same, nor for a silent change until it is asked for."""
        for place in (0, 1):
            await self.build(place, held=True)
            await self.ask_push(place, held=True)
        await self.settle(order)
        self.check_devices()
        for place in (0, 1):
            await self.change(place, visible=False, pushed=True, held=True)
            await self.ask_push(place, held=True)
            await self.build(place, held=True)
            await self.change(place, visible=True, pushed=False, held=True)
        while self.messages:
            await self.deliver(order.randrange(len(self.messages)))
        assert await self.phones.wakes(self.card) == {}


PLACE, WHO, FLAG = st.integers(0, 1), st.integers(0, 1), st.booleans()


def step(
    name: str, *places: st.SearchStrategy[int], **flags: st.SearchStrategy[bool]
) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(name), st.tuples(*places), st.fixed_dictionaries(flags))


STEPS = st.one_of(
    step("change", PLACE, visible=st.just(value=True), pushed=st.just(value=True), held=FLAG),
    step("change", PLACE, visible=FLAG, pushed=FLAG, held=FLAG),
    step("change_often", PLACE, visible=FLAG, pushed=FLAG),
    step("ask_push", PLACE, held=FLAG),
    step("deliver", st.integers(0, 9)),
    step("install", WHO, PLACE, held=FLAG, lost=FLAG),
    step("register", WHO, lost=FLAG),
    step("remove", WHO, PLACE, lost=FLAG),
    step("visit", WHO, lost=FLAG),
    step("ask", WHO, lost=FLAG),
    step("fetch", WHO, PLACE, lost=FLAG),
)


@settings(
    max_examples=EXAMPLES, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.lists(STEPS, min_size=SHORTEST, max_size=LONGEST), st.randoms(use_true_random=False))
async def test_every_device_ends_at_the_newest_version_that_was_to_be_pushed(
    notifier: Notifier, steps: list[Step], order: random.Random
):
    world = World(Phones(notifier))

    for name, places, flags in steps:
        await getattr(world, name)(*places, **flags)
    await world.settle(order)

    world.check_devices()
    await world.check_acts()
    await world.check_unchanged(order)
