"""Charts: what is drawn stays in the picture, and can be told apart."""

import re

from egbad.report.charts import WIDTH, Dot, scatter_chart

TEXT = re.compile(r'<text class="tick" x="([\d.]+)" y="([\d.]+)" text-anchor="(start|end)">([^<]*)</text>')


def test_names_of_dots_stay_in_the_picture_and_apart():
    dots = [Dot("quick", 0.1, 0.9), Dot("a detector with a long name", 900.0, 0.8), Dot("another of them", 880.0, 0.8)]
    places = {
        name: (float(x), float(y), anchor) for x, y, anchor, name in TEXT.findall(scatter_chart("t", dots, "s", "q"))
    }
    assert places["quick"][2] == "start"
    for name, (x, _, anchor) in places.items():
        assert (x - 6 * len(name) if anchor == "end" else x) > 0 and (
            x if anchor == "end" else x + 6 * len(name)
        ) < WIDTH
    assert abs(places["a detector with a long name"][1] - places["another of them"][1]) >= 11
