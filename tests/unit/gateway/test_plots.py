"""Numbers by day are drawn as bars, and the days of nothing are there, too."""

from datetime import date

from services.gateway.routes.pages.plots import DAYS, HEIGHT, plot_days

TODAY = date(2026, 11, 27)


def test_the_last_thirty_days_are_shown_up_to_today():
    counts = {
        "2026-11-27": {"scan": 4, "create": 9},
        "2026-11-25": {"scan": 2},
        "2026-10-01": {"scan": 7},
    }

    plot = plot_days("Scanned", counts, "scan", TODAY)

    assert len(plot.days) == DAYS
    assert list(plot.days)[-1] == TODAY
    assert (plot.total, plot.days[TODAY], plot.days[date(2026, 11, 26)]) == (6, 4, 0)
    assert plot.drawing.count("<rect") == 2
    assert f'height="{HEIGHT:.1f}"' in plot.drawing
    assert f'height="{HEIGHT / 2:.1f}"' in plot.drawing


def test_a_plot_of_nothing_has_no_bars_and_a_title_is_a_text():
    plot = plot_days("<b>", {}, "scan", TODAY)

    assert "<rect" not in plot.drawing
    assert "<title>&lt;b&gt;</title>" in plot.drawing
