import xml.etree.ElementTree as ET

from hyoid.metrics.calibration import reliability
from hyoid.report.pages.reliability import Reliability, reliability_svg


def test_every_bin_is_a_dot_at_its_place():
    bins = reliability([0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9], n_bins=2)
    svg = ET.fromstring(reliability_svg([Reliability("a < b", bins)]))
    low, high = svg.iter("{http://www.w3.org/2000/svg}circle")
    # The lower left and the upper right of the panel: promises were kept or surpassed.
    assert float(low.get("cx")) < float(high.get("cx"))
    assert float(low.get("cy")) > float(high.get("cy"))
    assert "a < b" in "".join(svg.itertext())


def test_panels_stand_side_by_side_and_may_be_empty():
    svg = ET.fromstring(reliability_svg([Reliability("one", ()), Reliability("two", ())]))
    assert svg.get("viewBox") == "0 0 640 330"
