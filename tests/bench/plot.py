"""Draws how a rate goes over the number of passes."""

from collections.abc import Sequence
from typing import Final

WIDTH: Final = 760
HEIGHT: Final = 380
LEFT: Final = 70
BOTTOM: Final = 50
TOP: Final = 40
RIGHT: Final = 30
LINES: Final = 4


def draw(curve: Sequence[tuple[int, float]], title: str) -> str:
    """Draw points (passes, passes per second) as an SVG; both axes begin at 0."""
    most = max((passes for passes, _ in curve), default=1)
    highest = max((rate for _, rate in curve), default=1.0) * 1.1

    def across(passes: float) -> float:
        return LEFT + passes / most * (WIDTH - LEFT - RIGHT)

    def up(rate: float) -> float:
        return HEIGHT - BOTTOM - rate / highest * (HEIGHT - TOP - BOTTOM)

    points = " ".join(f"{across(passes):.1f},{up(rate):.1f}" for passes, rate in curve)
    parts = [f'<text x="{LEFT}" y="24" font-size="15">{title}</text>']
    foot = HEIGHT - BOTTOM + 20
    for n in range(LINES + 1):
        rate, passes = highest * n / LINES, most * n / LINES
        parts += [
            f'<path d="M{LEFT} {up(rate):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>',
            f'<text x="{LEFT - 8}" y="{up(rate) + 4:.1f}" text-anchor="end">{rate:,.0f}</text>',
            f'<text x="{across(passes):.1f}" y="{foot}" text-anchor="middle">{passes:,.0f}</text>',
        ]
    parts += [
        f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="2"/>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">passes</text>',
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
