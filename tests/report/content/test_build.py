import numpy as np
import pytest

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, opposite
from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.errors import GeometryError, UsageError, WrongQuantityError
from hyoid.report.content.build import Involvement, ReportInputs, build_report
from hyoid.report.content.schema import MISSING, ModelUse, Study
from hyoid.report.content.template import FIELDS, OUTSIDE
from hyoid.volume import Geometry, Quantity, Volume

SHAPE = (60, 50, 80)
SPACING = (3.0, 2.0, 2.0)
MIDLINE = 40  # column; columns 30 and 50 mirror each other
STUDY = Study(modality="CT", spacing_mm=SPACING, slices=SHAPE[0])
MODEL = ModelUse(name="organs", version="1", licence="MIT", trained_on="virtual patients", sha256="0" * 64)
TUMOUR_MODEL = ModelUse(name="tumours", version="2")
CLASSIFIER = ModelUse(name="involvement", version="3")

# (slices), (rows), (columns), half open; slices feet to head, rows front to back, columns right to left
NECK = {
    "hyoid_bone": ((30, 32), (10, 14), (35, 46)),
    "cricoid_cartilage": ((15, 18), (14, 18), (38, 43)),
    "thyroid_cartilage": ((20, 26), (10, 12), (36, 45)),
    "submandibular_right": ((34, 40), (10, 16), (22, 28)),
    "submandibular_left": ((34, 40), (10, 16), (53, 59)),
    "carotid_right": ((5, 50), (22, 25), (26, 29)),
    "carotid_left": ((5, 50), (22, 25), (52, 55)),
    "jugular_right": ((5, 50), (24, 27), (22, 26)),
    "jugular_left": ((5, 50), (24, 27), (55, 59)),
    "parotid_right": ((42, 50), (16, 24), (12, 18)),
    "parotid_left": ((42, 50), (16, 24), (63, 69)),
    "oropharynx": ((34, 46), (16, 21), (32, 49)),
    "tongue": ((36, 44), (4, 14), (33, 48)),
    "mandible": ((36, 44), (1, 3), (28, 53)),
}


def grid():
    return Geometry.axial(SHAPE, SPACING, origin_lps_mm=(-80.0, -50.0, 0.0))


def fill(array, place, value):
    array[tuple(slice(a, b) for a, b in place)] = value


def organs_volume(names=tuple(NECK), geometry=None):
    array = np.zeros(SHAPE, np.uint8)
    for name in names:
        fill(array, NECK[name], BY_NAME[name].label)
    return Volume(array, geometry or grid(), Quantity.LABEL)


def lesions_volume(primary=(), nodes=()):
    array = np.zeros(SHAPE, np.uint8)
    for place in primary:
        fill(array, place, 1)
    for place in nodes:
        fill(array, place, 2)
    return Volume(array, grid(), Quantity.LABEL)


def inputs(**changes):
    return ReportInputs(**{"study": STUDY, "organs": organs_volume(), "organ_sources": (MODEL,), **changes})


# 6 slices x 5 rows x 8 columns in the right half of the oropharynx: centroid 11 mm right of the midline
PRIMARY = ((36, 42), (16, 21), (30, 39))
NODE_IIA = ((34, 37), (20, 24), (18, 22))  # right, above the hyoid, at the jugular
NODE_III = ((22, 25), (20, 24), (60, 62))  # left, between hyoid and cricoid
NODE_IB = ((35, 37), (8, 10), (24, 26))  # right, before the back edge of the gland


def line_of(key, **changes):
    return build_report(inputs(**changes)).line(key)


def test_every_field_in_order_and_missing_without_support():
    report = build_report(inputs(organs=organs_volume(())))
    assert [line.key for line in report.lines] == [field.key for field in FIELDS]
    assert {line.value for line in report.lines} == {MISSING} == {line.status for line in report.lines}
    assert not report.empty
    assert "No organ is outlined" in " ".join(report.warnings)
    assert report.statement.startswith("Research use only")


def test_location_and_size_from_a_readers_outline():
    report = build_report(inputs(lesions=lesions_volume([PRIMARY])))
    location, size = report.line("primary_location_of_the_mass"), report.line("size_of_the_mass")
    # 7 of its 9 columns lie in the oropharynx.
    assert location.value == "Oropharynx, right side"
    assert location.status == "measured"
    assert location.evidence[0].note == "Share of the mass: Oropharynx 78 %"
    assert (location.evidence[0].status, location.evidence[0].source) == ("reader", "reader masks")
    # Extents 5 x 2 mm, 9 x 2 mm, 6 x 3 mm. The corners are (15, 8, 16) mm apart = sqrt(545), and that line
    # leaves a voxel through its sides 2 mm apart, after 2 / 16 of that length.
    longest = np.sqrt(545) * (1 + 2 / 16)
    assert longest == pytest.approx(26.26, abs=0.01)
    assert size.value == "2.6 cm in longest dimension; 1.0 x 1.8 x 1.8 cm (anteroposterior x transverse x craniocaudal)"
    assert size.evidence[0].region.voxels == 6 * 5 * 9
    assert size.evidence[0].region.box_mm == (18.0, 10.0, 18.0)
    assert size.region.slice_index in range(36, 42)
    [lesion] = report.lesions
    assert lesion.longest_diameter_mm == pytest.approx(longest, abs=1e-3)
    assert (lesion.kind, lesion.side, lesion.status, lesion.volume_ml) == ("GTVp", "right", "reader", 270 * 0.012)


def test_predicted_outlines_are_named_as_such():
    report = build_report(
        inputs(lesions=lesions_volume([PRIMARY]), lesions_status="model", lesions_source=TUMOUR_MODEL)
    )
    size = report.line("size_of_the_mass")
    assert (size.status, size.evidence[0].status, size.evidence[0].source) == ("measured", "model", "tumours 2")
    assert "Measured on a predicted tumour outline" in size.flags
    assert any("predicted outlines" in warning for warning in report.warnings)
    assert [m.words for m in report.models] == ["organs 1", "tumours 2"]


def test_location_from_subsites_comes_before_organs():
    array = np.zeros(SHAPE, np.uint8)
    fill(array, ((34, 46), (16, 21), (32, 36)), SUBSITE_BY_NAME["tonsil_right"].label)
    fill(array, ((34, 46), (16, 21), (45, 49)), SUBSITE_BY_NAME["tonsil_left"].label)
    fill(array, ((34, 46), (12, 16), (32, 49)), SUBSITE_BY_NAME["base_of_tongue"].label)
    subsites = Volume(array, grid(), Quantity.LABEL)
    report = build_report(inputs(lesions=lesions_volume([PRIMARY]), subsites=subsites))
    assert report.line("primary_location_of_the_mass").value == "Tonsil (oropharynx), right side"
    tonsil = report.line("tonsil")
    # 6 x 5 x 4 of 12 x 5 x 4 voxels of 0.012 ml
    assert tonsil.value == "R - involved: tonsil, right (1.44 ml, 50 % of the structure)"
    assert report.line("base_of_tongue").value == "In contact with the tumour outline, no overlap"
    both = build_report(inputs(lesions=lesions_volume([((36, 42), (16, 21), (30, 50))]), subsites=subsites))
    assert both.line("tonsil").value.startswith("Both - involved: ")
    assert report.line("soft_palate").status == MISSING


def test_mass_that_no_structure_holds_is_named_by_its_neighbour():
    near = build_report(inputs(lesions=lesions_volume([((36, 42), (23, 26), (38, 43))])))
    assert near.line("primary_location_of_the_mass").value == "Next to: oropharynx, midline"
    far = build_report(inputs(organs=organs_volume(("cricoid_cartilage",)), lesions=lesions_volume([PRIMARY])))
    assert far.line("primary_location_of_the_mass").value.startswith("Site not determined, ")


def test_target_region_is_never_called_a_tumour():
    mask = lesions_volume([PRIMARY])
    report = build_report(inputs(target_region=mask, target_source=TUMOUR_MODEL))
    location, size = report.line("primary_location_of_the_mass"), report.line("size_of_the_mass")
    assert location.value == "Predicted high-dose target region, largest share in: oropharynx (78 %), right side"
    assert size.value == (
        "about 1.0 x 1.8 x 1.8 cm (predicted high-dose target region; includes margins, not a tumour measurement)"
    )
    assert (location.status, size.status, size.evidence[0].source) == ("model", "model", "tumours 2")
    assert report.line("number_of_nodes").status == MISSING
    assert report.line("thyroid_cartilage").status == MISSING
    assert any("not a tumour outline" in warning for warning in report.warnings)
    assert [row.kind for row in report.lesions] == ["target region"]


def test_target_region_does_not_count_beside_outlined_lesions():
    report = build_report(
        inputs(lesions=lesions_volume(), target_region=lesions_volume([PRIMARY]), target_source=TUMOUR_MODEL)
    )
    assert report.line("size_of_the_mass").status == MISSING
    assert report.empty
    assert TUMOUR_MODEL not in report.models


def test_overlap_contact_and_distance():
    touching = ((20, 26), (12, 16), (38, 44))  # rows 12 on: next to the thyroid cartilage, rows 10-11
    report = build_report(inputs(lesions=lesions_volume([touching])))
    cartilage = report.line("thyroid_cartilage")
    assert cartilage.value == "In contact with the tumour outline, no overlap"
    assert report.line("cricoid_cartilage").value == "Not involved"
    assert report.line("cricoid_cartilage").evidence[0].region.label == "Cricoid cartilage"
    inside = ((20, 26), (11, 16), (38, 44))  # 6 x 1 x 6 of 6 x 2 x 9 voxels
    cartilage = line_of("thyroid_cartilage", lesions=lesions_volume([inside]))
    assert cartilage.value == "Involved: 0.43 ml, 33 % of the structure"
    assert cartilage.status == "measured"
    assert cartilage.evidence[0].region.voxels == 36


def test_slight_overlap_is_flagged():
    grazing = ((49, 52), (16, 17), (12, 13))  # one voxel of 8 x 8 x 6
    parotid = line_of("parotid_gland", lesions=lesions_volume([grazing]))
    assert parotid.value == "Involved: parotid gland, right (0.01 ml, below 1 % of the structure)"
    assert any("within the spread" in flag for flag in parotid.flags)


def test_absent_side_is_said():
    names = tuple(n for n in NECK if n != "parotid_left")
    parotid = line_of("parotid_gland", organs=organs_volume(names), lesions=lesions_volume([PRIMARY]))
    assert parotid.value == "Not involved"
    assert parotid.flags == ("Not outlined: Parotid gland, left",)


def test_encasement_of_a_vessel():
    # Columns 29 on lie against the medial face of the right carotid (3 x 3 voxels, ring of 16): rows 22-24 touch
    # three of its voxels, and the corners above and below two more.
    wall = ((20, 24), (21, 26), (29, 33))
    line = line_of("carotid_arteries_ijv", lesions=lesions_volume([wall]))
    assert line.value == (
        "In contact with the tumour outline, no overlap: internal carotid artery, right "
        "(touches 110 degrees of the circumference)"
    )
    around = ((20, 24), (20, 27), (24, 31))
    line = line_of("carotid_arteries_ijv", lesions=lesions_volume(nodes=[around]))
    assert "internal carotid artery, right (by a node, 0.43 ml, 9 % of the structure, touches 360 degrees" in line.value


def test_nodes_number_side_level_and_size():
    report = build_report(inputs(lesions=lesions_volume([PRIMARY], [NODE_IIA, NODE_III, NODE_IB])))
    # Sizes: 3 x 4 x 4 = 48, 3 x 4 x 2 = 24 and 2 x 2 x 2 = 8 voxels.
    assert report.line("number_of_nodes").value == ("3 (1 right level IIa; 1 left level III; 1 right level Ib)")
    assert report.line("side").value == "Bi (right 2, left 1)"
    # corners (6, 6, 6) mm apart: sqrt(108), and one voxel more along (1, 1, 1) / sqrt(3): 2 * sqrt(3)
    assert np.sqrt(108) + 2 * np.sqrt(3) == pytest.approx(13.86, abs=0.01)
    assert report.line("max_size").value == ("1.4 cm in longest dimension, axial 1.1 x 1.1 cm (right, level IIa)")
    assert report.line("extranodal_extension").status == MISSING
    evidence = report.line("number_of_nodes").evidence
    assert [e.region.voxels for e in evidence] == [48, 24, 8]
    assert all(
        e.region.slice_index in range(*place[0])
        for e, place in zip(evidence, (NODE_IIA, NODE_III, NODE_IB), strict=True)
    )


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([NODE_IIA], "Ipsi (right 1)"),
        ([NODE_III], "Contra (left 1)"),
        ([NODE_IIA, NODE_III], "Bi (right 1, left 1)"),
        ([((50, 52), (30, 32), (40, 41))], "Ipsi (midline 1)"),
    ],
)
def test_side_of_the_nodes_is_relative_to_the_primary(nodes, words):
    assert line_of("side", lesions=lesions_volume([PRIMARY], nodes)).value == words


def test_a_mass_well_on_both_sides_has_no_side_of_its_own():
    across = ((36, 42), (16, 21), (22, 51))  # centroid 7 mm right of the midline, 3 of 29 columns 15 mm left of it
    short = ((36, 42), (16, 21), (22, 50))
    assert line_of("primary_location_of_the_mass", lesions=lesions_volume([across])).value.endswith(", both sides")
    assert line_of("primary_location_of_the_mass", lesions=lesions_volume([short])).value.endswith(", right side")
    nodes = line_of("side", lesions=lesions_volume([across], [NODE_IIA])).value
    assert nodes == "Primary on both sides; nodes: right 1"


def test_side_without_a_lateral_primary_names_the_sides():
    central = ((36, 42), (16, 21), (36, 45))
    assert (
        line_of("side", lesions=lesions_volume([central], [NODE_IIA])).value == "Primary in the midline; nodes: right 1"
    )
    assert (
        line_of("side", lesions=lesions_volume([], [NODE_IIA])).value == "Side of the primary unknown; nodes: right 1"
    )


@pytest.mark.parametrize(
    ("place", "level"),
    [
        (NODE_IIA, "level IIa"),
        (((34, 37), (28, 31), (18, 22)), "level IIb"),
        (NODE_III, "level III"),
        (NODE_IB, "level Ib"),
        (((33, 35), (6, 9), (39, 42)), "level Ia"),
        (((8, 11), (20, 24), (18, 22)), "level IV"),
        (((8, 11), (20, 22), (39, 42)), "level VI"),
        (((45, 47), (26, 29), (34, 36)), "level VIIa"),
        (((22, 25), (40, 44), (18, 22)), "level Va"),
        (((8, 11), (40, 44), (18, 22)), "level Vb"),
    ],
)
def test_levels_follow_the_landmarks(place, level):
    report = build_report(inputs(lesions=lesions_volume(nodes=[place])))
    assert report.lesions[0].level == level


def test_level_is_not_guessed_without_landmarks():
    def level(*names, place=NODE_IIA):
        report = build_report(inputs(organs=organs_volume(names), lesions=lesions_volume(nodes=[place])))
        return report.lesions[0].level

    assert level() == "level not determined"
    assert level("hyoid_bone") == "level I or II"
    assert level("hyoid_bone", "submandibular_right") == "level II"
    assert level("hyoid_bone", place=NODE_III) == "level III or IV"
    assert level("cricoid_cartilage", place=NODE_III) == "level not determined"


def test_empty_outlines_are_said():
    report = build_report(inputs(lesions=lesions_volume()))
    assert report.empty
    assert report.line("number_of_nodes").value == "0"
    assert report.line("max_size").value == "Not applicable, no node outlined"
    assert report.line("primary_location_of_the_mass").status == MISSING
    assert report.lesions == ()
    assert any("not evidence" in warning for warning in report.warnings)
    empty_target = build_report(inputs(target_region=lesions_volume(), target_source=TUMOUR_MODEL))
    assert empty_target.empty
    assert empty_target.line("size_of_the_mass").status == MISSING


def test_single_voxel_lesions_have_a_size():
    report = build_report(
        inputs(lesions=lesions_volume([((40, 41), (18, 19), (36, 37))], [((20, 21), (5, 6), (5, 6))]))
    )
    assert report.line("size_of_the_mass").value.startswith("0.3 cm in longest dimension; 0.2 x 0.2 x 0.3 cm")
    assert report.line("max_size").value.startswith("0.3 cm in longest dimension, axial 0.2 x 0.2 cm")
    assert report.line("primary_location_of_the_mass").value == "Oropharynx, right side"


def test_classifier_speaks_where_nothing_is_measured():
    meaning = "planned target covers more than 5 % of the structure"
    answers = {
        "epiglottis": Involvement(0.7, 0.5, meaning),
        "parotid_left": Involvement(0.9, 0.6, meaning),
        "parotid_right": Involvement(0.1, 0.6, meaning),
        "larynx": Involvement(0.4, 0.5, meaning),
        "extranodal_extension": Involvement(0.5, 0.5, "extranodal extension"),
    }
    report = build_report(inputs(involvement=answers, involvement_source=CLASSIFIER))
    epiglottis, parotid = report.line("epiglottis"), report.line("parotid_gland")
    assert (epiglottis.value, epiglottis.probability) == (f"Predicted: {meaning}", 0.7)
    assert (epiglottis.status, epiglottis.evidence[0].source) == ("model", "involvement 3")
    assert (parotid.value, parotid.probability) == (f"Predicted, left: {meaning}", 0.9)
    assert [e.probability for e in parotid.evidence] == [0.9, 0.1]
    assert parotid.region.label == "Parotid gland, left"
    assert report.line("extranodal_extension").value == "Predicted: extranodal extension"
    outside = report.line("larynx")
    assert (outside.section, outside.value, outside.region) == (OUTSIDE, f"Not predicted: {meaning}", None)


def test_what_virtual_patients_alone_taught_is_said():
    answers = {"lip": Involvement(0.7, 0.5, "overlap", None, "virtual patients only")}
    answers["tonsil"] = Involvement(0.2, 0.5, "overlap")
    report = build_report(inputs(involvement=answers, involvement_source=CLASSIFIER))
    assert report.line("lip").evidence[0].note.endswith("; taught by virtual patients only")
    assert "taught" not in report.line("tonsil").evidence[0].note


def test_a_predicted_tonsil_is_that_of_the_side_of_the_outlined_primary():
    answers = {"tonsil": Involvement(0.9, 0.5, "overlap"), "lip": Involvement(0.9, 0.5, "overlap")}
    lesions = lesions_volume([PRIMARY])
    report = build_report(inputs(lesions=lesions, involvement=answers, involvement_source=CLASSIFIER))
    assert report.line("tonsil").value == "Predicted, right: overlap"
    assert report.line("lip").value == "Predicted: overlap"
    mirrored = lesions.with_array(lesions.array[:, :, ::-1].copy())
    report = build_report(inputs(lesions=mirrored, involvement=answers, involvement_source=CLASSIFIER))
    assert report.line("tonsil").value == "Predicted, left: overlap"
    report = build_report(inputs(involvement=answers, involvement_source=CLASSIFIER))
    assert report.line("tonsil").value == "Predicted: overlap"


def test_between_yes_and_no_the_classifier_says_equivocal():
    def doubtful(p, band=(0.4, 0.7)):
        return Involvement(p, 0.5, "m", band)

    answers = {
        "epiglottis": doubtful(0.7),
        "parotid_left": doubtful(0.6),
        "parotid_right": doubtful(0.1),
        "larynx": doubtful(0.39),
        "cricoid_cartilage": doubtful(0.71),
    }
    report = build_report(inputs(involvement=answers, involvement_source=CLASSIFIER))
    values = {key: report.line(key).value for key in ("epiglottis", "parotid_gland", "larynx", "cricoid_cartilage")}
    assert values == {
        "epiglottis": "Equivocal: m",
        "parotid_gland": "Equivocal, left: m",
        "larynx": "Not predicted: m",
        "cricoid_cartilage": "Predicted: m",
    }
    assert "threshold 0.50, equivocal 0.40 to 0.70" in report.line("epiglottis").evidence[0].note
    measured = line_of(
        "thyroid_cartilage",
        lesions=lesions_volume([PRIMARY]),
        involvement={"thyroid_cartilage": doubtful(0.6)},
        involvement_source=CLASSIFIER,
    )
    assert (measured.value, measured.flags) == ("Not involved", ())


def test_measurement_wins_and_disagreement_is_flagged():
    answers = {"thyroid_cartilage": Involvement(0.8, 0.5, "involvement")}
    line = line_of(
        "thyroid_cartilage", lesions=lesions_volume([PRIMARY]), involvement=answers, involvement_source=CLASSIFIER
    )
    assert (line.value, line.status, line.probability) == ("Not involved", "measured", None)
    assert line.flags == ("The classifier differs (0.80)",)
    assert [e.status for e in line.evidence] == ["reader", "model"]


def test_structures_outside_the_template_appear_when_met():
    report = build_report(inputs(lesions=lesions_volume([((38, 40), (2, 6), (30, 34))])))
    mandible = report.line("mandible")
    # 2 x 1 x 4 of 8 x 2 x 25 voxels
    assert mandible.section == OUTSIDE
    assert mandible.value == "Involved: 0.10 ml, 2 % of the structure"
    with pytest.raises(KeyError):
        build_report(inputs(lesions=lesions_volume([PRIMARY]))).line("mandible")


def test_missing_organs_and_volumes():
    report = build_report(
        inputs(organs=organs_volume(("tongue", "hyoid_bone")), organs_expected=("tongue", "parotid_left", "hyoid_bone"))
    )
    assert report.missing_organs == ("Parotid gland, left",)
    assert {o.name: (o.voxels, o.volume_ml, o.status) for o in report.organs} == {
        "hyoid_bone": (88, 1.056, "model"),
        "tongue": (1200, 14.4, "model"),
    }


def mirrored(volume, swap=False):
    """The patient seen in a mirror whose plane is the midline column."""
    array = np.zeros_like(volume.array)
    array[:, :, 1:] = volume.array[:, :, :0:-1]  # column c -> 80 - c
    if swap:
        table = np.arange(256)
        for label, row in BY_LABEL.items():
            table[label] = BY_NAME[opposite(row.name)].label
        array = table[array].astype(np.uint8)
    return Volume(array, volume.geometry, volume.quantity)


def test_flip_swaps_sides_and_nothing_else():
    lesions = lesions_volume([PRIMARY], [NODE_IIA, NODE_III, NODE_IB])
    answers = {"parotid_left": Involvement(0.9, 0.5, "m"), "parotid_right": Involvement(0.2, 0.5, "m")}
    turned = {opposite(name): answer for name, answer in answers.items()}
    report = build_report(inputs(lesions=lesions, involvement=answers))
    flipped = build_report(
        inputs(organs=mirrored(organs_volume(), swap=True), lesions=mirrored(lesions), involvement=turned)
    )

    def swapped(text):
        return text.replace("right", "LEFT").replace("left", "right").replace("LEFT", "left")

    for line, other in zip(report.lines, flipped.lines, strict=True):
        assert other.value == swapped(line.value)
        before = sorted(line.evidence, key=lambda e: swapped(e.note))
        after = sorted(other.evidence, key=lambda e: e.note)
        assert [e.note for e in after] == [swapped(e.note) for e in before]
        for a, b in zip(before, after, strict=True):
            assert (a.region is None) == (b.region is None)
            if a.region is not None:
                x, y, z = a.region.centroid_lps_mm
                assert b.region.centroid_lps_mm == pytest.approx((-x, y, z), abs=2e-3)
                assert (a.region.voxels, a.region.slice_index) == (b.region.voxels, b.region.slice_index)
    assert flipped.summary == swapped(report.summary)


def test_array_order_does_not_matter():
    def reordered(volume):
        matrix = volume.geometry.ijk_to_lps.copy()
        array = volume.array[::-1].transpose(2, 0, 1)
        matrix[:3, 3] += matrix[:3, 0] * (SHAPE[0] - 1)
        matrix[:3, :3] = np.column_stack([matrix[:3, 2], -matrix[:3, 0], matrix[:3, 1]])
        return Volume(np.ascontiguousarray(array), Geometry(array.shape, matrix), volume.quantity)

    lesions = lesions_volume([PRIMARY], [NODE_IIA])
    assert build_report(inputs(organs=reordered(organs_volume()), lesions=reordered(lesions))) == build_report(
        inputs(lesions=lesions)
    )


def test_midline_comes_from_the_organs_or_the_caller():
    off_centre = lesions_volume([((36, 42), (16, 21), (38, 43))])
    assert line_of("primary_location_of_the_mass", lesions=off_centre).value.endswith("midline")
    told = line_of("primary_location_of_the_mass", lesions=off_centre, midline_x_mm=20.0)
    assert told.value.endswith("right side")


def test_refusals():
    other_grid = Volume(np.zeros(SHAPE, np.uint8), Geometry.axial(SHAPE, (1, 1, 1)), Quantity.LABEL)
    with pytest.raises(GeometryError, match=r"lesions lie on another grid"):
        build_report(inputs(lesions=other_grid))
    with pytest.raises(UsageError, match=r"labels \[7\]"):
        build_report(inputs(lesions=Volume(np.full(SHAPE, 7, np.uint8), grid(), Quantity.LABEL)))
    with pytest.raises(UsageError, match="spleen"):
        build_report(inputs(involvement={"spleen": Involvement(0.5, 0.5, "m")}))
    with pytest.raises(UsageError, match="Name the model"):
        build_report(inputs(lesions=lesions_volume(), lesions_status="model"))
    with pytest.raises(WrongQuantityError):
        build_report(inputs(organs=Volume(np.zeros(SHAPE), grid(), Quantity.HU)))
