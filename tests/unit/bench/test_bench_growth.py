"""What growth shows is told apart from what goes by itself, and what a run is given is drawn."""

from xml.etree import ElementTree as ET

from tests.bench.footprint import Disk, PerPass
from tests.bench.plot import draw


def test_bytes_of_a_pass_leave_out_what_is_kept_for_a_day():
    before = Disk(100, 1_000, {"triggers.passes": 500, "triggers.outbox": 100})
    after = Disk(
        200, 3_000, {"triggers.passes": 1_500, "triggers.outbox": 600, "triggers.inbox": 50}
    )

    per_pass = PerPass.between(before, after)

    assert per_pass.lasting == (2_000 - 550) / 100
    assert per_pass.passing == 550 / 100
    assert per_pass.tables == {"triggers.passes": 10}


def test_a_curve_is_drawn_within_its_picture():
    root = ET.fromstring(draw([(10, 900.0), (20, 1_000.0)], "Rate"))

    (line,) = root.findall("{*}polyline")
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert all(0 < across < 760 and 0 < up < 380 for across, up in points)
    assert points[0][0] < points[1][0]
    assert points[0][1] > points[1][1]
