import re
from xml.etree import ElementTree

from hyoid.report.pages.scatter import EDGE, HEIGHT, WIDTH, Dot, Plot, scatter_svg


def circles(svg):
    return [(float(x), float(y), float(r)) for x, y, r in re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"', svg)]


def test_dots_lie_where_their_values_say():
    svg = scatter_svg([Plot("DSC", "volume", "DSC", (Dot(0, 0), Dot(10, 1, 4.0)))])
    (x0, y0, r0), (x1, y1, r1) = circles(svg)
    assert (x0, y0) == (EDGE, HEIGHT - EDGE)
    assert (x1, y1) == (WIDTH - EDGE, EDGE)
    # Area, not radius, follows the size: a quarter of it has half of the growth.
    assert (r0, r1) == (2.5 + 3.5, 2.5 + 7)


def test_panels_stand_side_by_side_and_words_are_escaped():
    svg = scatter_svg([Plot("a < b", "x", "y", ()), Plot("c", "x", "y", (Dot(1, 0.5, crossed=True),))])
    root = ElementTree.fromstring(svg)
    assert root.attrib["viewBox"] == f"0 0 {2 * WIDTH} {HEIGHT}"
    assert "a &lt; b" in svg
    assert circles(svg) == []
    assert svg.count('stroke="#c22"') == 1
