import numpy as np
import pytest

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.geometry.boxes import bounding_box
from hyoid.inference.click_network import ClickAnswer
from hyoid.io.packages.model_package import LearnedFrom
from hyoid.metrics.lesions import find_components, measure_component
from hyoid.preprocess.click_region import Region
from hyoid.report.content.scene import GTVN_LABEL, GTVP_LABEL
from hyoid.systems.lesion.pipeline import Outline, Seen
from hyoid.systems.lesion.report import Measurements, anatomy_of, lesion_report, outlines_of
from hyoid.systems.lesion.session import LesionState, State

SHAPE = (28, 60, 70)


def outline(*boxes, attributes=None):
    """Boxes of voxels, given as (start, stop)."""
    mask = np.zeros(SHAPE, bool)
    for start, stop in boxes:
        mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    box = bounding_box(mask)
    answer = ClickAnswer(np.zeros((2, 2, 2), np.float32), 0.5, attributes or {})
    return Outline(mask[box.slices], box, Seen(Region((0.0, 0.0, 0.0), 2.5, (4, 4, 4)), answer))


def lesions(*rows):
    return [(LesionState(number=k, target=target), of) for k, (target, of) in enumerate(rows, start=1)]


@pytest.fixture(scope="module")
def scene(ball_study):
    return anatomy_of(ball_study, "CT").scene


FAR = outline(((20, 50, 60), (24, 55, 66)))
CASES = {
    "far apart": (("GTVp", outline(((2, 3, 4), (6, 9, 9)))), ("GTVn", FAR), ("GTVn", outline(((1, 9, 2), (2, 10, 3))))),
    "touching": (("GTVn", outline(((2, 3, 4), (6, 9, 9)))), ("GTVn", outline(((6, 9, 9), (8, 12, 12)))), ("GTVn", FAR)),
    "overlapping": (("GTVn", outline(((2, 3, 4), (6, 9, 9)))), ("GTVp", outline(((4, 5, 6), (9, 12, 12))))),
    "one through another": (
        ("GTVn", outline(((2, 3, 4), (4, 6, 7)))), ("GTVn", outline(((8, 3, 4), (10, 6, 7)))),
        ("GTVn", outline(((4, 3, 4), (8, 6, 7)))),
    ),
    "in two parts": (("GTVp", outline(((2, 3, 4), (4, 6, 7)), ((8, 13, 14), (10, 16, 17)))), ("GTVp", FAR)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_masses_are_those_of_the_whole_label_map(case, scene):
    rows = lesions(*CASES[case])
    labels = outlines_of(rows, None, scene.geometry).target_map()
    expected = [(measure_component(c, scene.midline_x_mm), c.box, c.mask) for c in find_components(labels)]
    found = Measurements().masses(rows, scene)
    assert len(found) == len(expected)
    for mass, (row, box, mask) in zip(found, expected, strict=True):
        assert mass.row == row
        assert mass.patch.box == box
        assert np.array_equal(mass.patch.mask, mask)


def test_what_did_not_change_is_not_measured_again_and_what_is_gone_is_forgotten(scene, monkeypatch):
    measured = []

    def counted(component, midline_x_mm):
        measured.append(component.box.start)
        return measure_component(component, midline_x_mm)

    monkeypatch.setattr("hyoid.report.content.scene.measure_component", counted)
    kept = Measurements()
    still, moving = outline(((20, 50, 60), (24, 55, 66))), outline(((2, 3, 4), (6, 9, 9)))
    first = kept.masses(lesions(("GTVp", moving), ("GTVn", still)), scene)
    assert sorted(measured) == [(2, 3, 4), (20, 50, 60)]
    # The primary becomes smaller than the node: who is first changes, and only the primary is measured.
    smaller = outline(((2, 3, 4), (4, 5, 6)))
    second = kept.masses(lesions(("GTVp", smaller), ("GTVn", still)), scene)
    assert measured[2:] == [(2, 3, 4)]
    assert [m.row.label for m in first] == [GTVP_LABEL, GTVN_LABEL]
    assert [m.row.label for m in second] == [GTVN_LABEL, GTVP_LABEL]
    kept.masses(lesions(("GTVn", still)), scene)
    kept.masses(lesions(("GTVp", smaller), ("GTVn", still)), scene)
    assert measured[3:] == [(2, 3, 4)]


def test_nothing_outlined_is_no_mass(scene):
    assert Measurements().masses([], scene) == ()


def test_attributes_name_their_model_and_who_taught_it(ball_study, click_network):
    anatomy = anatomy_of(ball_study, "CT")
    chances = {"density": {"hypodense": 0.1, "isodense": 0.2, "hyperdense": 0.7}}
    rows = lesions(("GTVp", outline(((2, 3, 4), (6, 9, 9)), attributes=chances)))
    report = lesion_report(anatomy, rows, State(), click_network.manifest)
    lines = {line.key: line for line in report.lines}
    told = lines["lesion_1_density"]
    assert (told.value, told.status, told.probability) == ("Hyperdense", "model", 0.7)
    assert told.evidence[0].source == "balls 1"
    assert told.evidence[0].note == "Hypodense 0.10, Isodense 0.20, Hyperdense 0.70; taught by virtual patients only"
    unstated = click_network.manifest.model_copy(update={"learned_from": LearnedFrom(real=("density",))})
    report = lesion_report(anatomy, rows, State(), unstated)
    assert report.line("lesion_1_density").evidence[0].note == "Hypodense 0.10, Isodense 0.20, Hyperdense 0.70"
    # What the model was not found to know, it does not say.
    assert [lines[f"lesion_1_{name}"].value for name in ATTRIBUTES if name != "density"] == ["Not assessed"] * 4
