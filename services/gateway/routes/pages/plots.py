"""Numbers by day as plots: SVG without a script, beside which a table says the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from markupsafe import Markup

DAYS: Final = 30
WIDTH: Final = 300
HEIGHT: Final = 64
GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Plot:
    """How often something happened on each of the last days."""

    title: str
    days: Mapping[date, int]

    @property
    def total(self) -> int:
        return sum(self.days.values())

    @property
    def drawing(self) -> Markup:
        """Draw a bar for each day, the tallest as high as the plot."""
        most = max(self.days.values(), default=0) or 1
        step = WIDTH / max(len(self.days), 1)
        bars = Markup("").join(
            Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                number * step, HEIGHT - height, step - GAP, height
            )
            for number, count in enumerate(self.days.values())
            if (height := count / most * HEIGHT)
        )
        return Markup(
            '<svg class="plot" viewBox="0 0 {} {}" role="img" preserveAspectRatio="none">'
            "<title>{}</title>{}</svg>"
        ).format(WIDTH, HEIGHT, self.title, bars)


def plot_days(title: str, counts: Mapping[str, Mapping[str, int]], kind: str, today: date) -> Plot:
    """Take the last days of counts that are by day (ISO date, UTC) and kind of event."""
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    return Plot(title, {day: counts.get(day.isoformat(), {}).get(kind, 0) for day in days})
