import pytest

from hyoid.io.packages.model_package import Manifest
from hyoid.systems.measured_cases import Codec, Measuring, identity_of, measure_each

PLAIN = Codec(list, tuple)


@pytest.fixture
def measured(tmp_path):
    """Runs a measurement of three cases; says which cases were measured, and what was told."""

    def run(shelf=tmp_path, changed="", fail_at=None):
        seen, told = [], []

        def measure(position):
            if position == fail_at:
                raise RuntimeError("stopped")
            seen.append(position)
            return (position, 0.5 * position)

        cases = [(name, f"{name}{changed}") for name in ("a", "b", "c")]
        try:
            rows = measure_each(cases, measure, PLAIN, shelf, lambda *step: told.append(step))
        except RuntimeError:
            rows = None
        return rows, seen, told

    return run


def test_a_stopped_measurement_goes_on_where_it_was(measured):
    assert measured(fail_at=2) == (None, [0, 1], [(1, 3), (2, 3)])
    rows, seen, told = measured()
    assert rows == ((0, 0.0), (1, 0.5), (2, 1.0))
    assert seen == [2]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_changed_image_is_measured_again(measured):
    measured()
    assert measured(changed="!")[1] == [0, 1, 2]
    assert measured()[1] == []


def test_no_case_is_no_result(tmp_path):
    assert measure_each([], lambda position: None, PLAIN, tmp_path / "new", lambda *step: None) == ()
    assert not (tmp_path / "new").exists()


def test_an_image_is_known_by_place_size_and_time(tmp_path):
    file = tmp_path / "ct.nii.gz"
    file.write_bytes(b"1")
    first = identity_of(file)
    assert identity_of(file) == first
    file.write_bytes(b"12")
    assert identity_of(file) != first


def manifest(**changes):
    fields = {
        "name": "a", "version": "1", "words": "", "task": "segmentation", "network": {}, "labels": ("tongue",),
        "supported": ("tongue",), "spacing_mm": (3, 3, 3), "patch": (8, 8, 8), "preprocessing": {},
        "training_data": "", "licence": "", "sha256": "0",
    }  # fmt: skip
    return Manifest(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"metrics": {"dice": 1}}, True),
        ({"words": "other"}, True),
        ({"sha256": "1"}, False),
        ({"supported": ()}, False),
        ({"temperatures": {"tongue": 2.0}}, False),
    ],
)
def test_results_are_kept_apart_where_the_network_answers_otherwise(tmp_path, changes, same):
    measuring = Measuring(tmp_path, tmp_path, "nobody")
    first, other = measuring.shelf("organs", [manifest()]), measuring.shelf("organs", [manifest(**changes)])
    assert (first == other) is same
    assert measuring.shelf("target", [manifest()]) != first
    assert measuring.machine.precision == "f32"
    assert not list(tmp_path.iterdir())
