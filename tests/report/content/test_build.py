import numpy as np
import pytest

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, opposite
from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.errors import GeometryError, UsageError, WrongQuantityError
from hyoid.report.content.build import Involvement, ReportInputs, build_report
from hyoid.report.content.schema import ModelUse, Study
from hyoid.report.content.target import doubts_about_target
from hyoid.report.content.template import ADDENDUM, FIELDS, TARGET
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


def test_every_field_in_order_and_not_assessed_without_an_outline():
    report = build_report(inputs())
    template = report.lines[: len(FIELDS)]
    assert [line.key for line in template] == [field.key for field in FIELDS]
    assert {line.status for line in report.lines} == {"Missing"}
    assert report.line("primary_location_of_the_mass").value == "Not assessed: no outline"
    assert report.line("oral_tongue").value == report.line("number_of_nodes").value == "Not assessed: no outline"
    assert report.line("et_tube_in_situ").value == "Not assessed: needs a reader"
    assert not report.empty
    assert report.statement.startswith("Research use only")
    assert report.title == "CT of the head and neck"
    assert report.impression[0].words == (
        "No tumour is outlined, so location, size, extent and nodes are not assessed."
    )
    # How to give one is said.
    assert all(way in report.summary for way in ("hyoid serve", "--reader-masks", "hyoid petct"))
    bare = build_report(inputs(organs=organs_volume(())))
    assert "No organ is outlined" in " ".join(bare.warnings)


def test_location_and_size_from_a_readers_outline():
    report = build_report(inputs(lesions=lesions_volume([PRIMARY])))
    location, size = report.line("primary_location_of_the_mass"), report.line("size_of_the_mass")
    # 7 of its 9 columns lie in the oropharynx.
    assert location.value == "Oropharynx, right side"
    # The lesion is a reader's, the oropharynx a network's.
    assert (location.status, size.status) == ("model, measured", "measured")
    assert location.flags == ("The organ outline that holds most of the lesion; sub-sites are not outlined",)
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
    assert (size.status, size.evidence[0].status, size.evidence[0].source) == ("model, measured", "model", "tumours 2")
    assert "Measured on a network's outline that no reader confirmed" in size.flags
    assert any("predicted outlines" in warning for warning in report.warnings)
    assert [m.words for m in report.models] == ["organs 1", "tumours 2"]
    assert report.summary.startswith("Outlined by a model, not confirmed by a reader: ")


def test_an_outline_that_a_reader_accepted_counts_as_measured():
    report = build_report(
        inputs(lesions=lesions_volume([PRIMARY]), lesions_status="accepted", lesions_source=TUMOUR_MODEL)
    )
    assert report.line("size_of_the_mass").status == "measured"
    assert report.lesions[0].status == "accepted"
    assert TUMOUR_MODEL in report.models


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
    assert report.line("base_of_tongue").value == "In contact: primary tumour and base of tongue, outlines touch"
    both = build_report(inputs(lesions=lesions_volume([((36, 42), (16, 21), (30, 50))]), subsites=subsites))
    assert both.line("tonsil").value.startswith("Both - involved: ")
    assert report.line("soft_palate").value == "Not assessed: structure not outlined"


def test_mass_that_no_structure_holds_is_named_by_its_neighbour():
    near = build_report(inputs(lesions=lesions_volume([((36, 42), (23, 26), (38, 43))])))
    assert near.line("primary_location_of_the_mass").value == "Next to: oropharynx, midline"
    far = build_report(inputs(organs=organs_volume(("cricoid_cartilage",)), lesions=lesions_volume([PRIMARY])))
    assert far.line("primary_location_of_the_mass").value.startswith("Site not determined, ")


def test_a_predicted_target_has_a_section_of_its_own_and_fills_no_line_of_the_template():
    mask = lesions_volume([PRIMARY])
    meaning = "coverage of more than 5% of the structure by the high-dose target"
    report = build_report(
        inputs(
            target_region=mask,
            target_source=TUMOUR_MODEL,
            coverage={"parotid_left": Involvement(0.9, 0.5, meaning), "larynx": Involvement(0.1, 0.5, meaning)},
            coverage_source=CLASSIFIER,
        )
    )
    assert {line.status for line in report.lines[: len(FIELDS)]} == {"Missing"}
    assert "target" not in report.summary
    own = {line.key: line for line in report.lines if line.section == TARGET}
    assert own["target_place"].value == "Oropharynx, right side"
    # 6 x 5 x 9 voxels of 0.012 ml
    assert own["target_size"].value == "3 ml; 1.0 x 1.8 x 1.8 cm (anteroposterior x transverse x craniocaudal)"
    assert own["target_plausibility"].value == "Not plausible: volume 3 ml"
    assert own["target_parotid_gland"].value == "Coverage likely, left"
    assert own["target_larynx"].value == "Coverage unlikely"
    assert "not a tumour outline" in own["target_place"].flags[0]
    assert [row.kind for row in report.lesions] == ["target region"]
    assert TUMOUR_MODEL in report.models and CLASSIFIER in report.models


def test_a_classifier_of_the_whole_scan_fills_the_template_without_an_outline():
    meaning = "involvement as radiologists' reports state it"
    answers = {
        "strap_muscles_thyroid_gland": Involvement(0.9, 0.5, meaning),
        "larynx": Involvement(0.1, 0.5, meaning),
    }
    told = {"lesions": None, "involvement": answers, "involvement_source": CLASSIFIER}
    report = build_report(inputs(**told, whole_scan=True))
    line = report.line("strap_muscles_thyroid_gland")
    assert (line.value, line.status, line.probability) == ("Involvement likely", "model", 0.9)
    assert meaning in line.evidence[0].note
    assert next(row for row in report.lines if row.key == "larynx").value == "Involvement unlikely"
    assert CLASSIFIER in report.models
    # A classifier that answers of an outlined lesion says nothing without one.
    silent = build_report(inputs(**told))
    assert silent.line("strap_muscles_thyroid_gland").status == "Missing"


def test_a_target_within_the_limits_of_planned_ones_is_plausible_and_air_or_strays_make_it_doubtful():
    # 16 x 30 x 20 voxels of 0.012 ml: 115 ml
    mask = lesions_volume([((30, 46), (10, 40), (30, 50))])

    def said(**changes):
        return line_of("target_plausibility", target_region=mask, target_source=TUMOUR_MODEL, **changes)

    assert said().value == "Within the limits of planned targets"
    tissue = Volume(np.full(SHAPE, 40.0, np.float32), grid(), Quantity.HU)
    assert said(image=tissue).value == "Within the limits of planned targets"
    airy = tissue.with_array(np.where(np.arange(SHAPE[1])[None, :, None] < 25, -900.0, tissue.array))
    assert said(image=airy).value == "Not plausible: 50% air"
    stray = said(target_lost_ml=115.2)
    assert stray.value == "Not plausible: 50% of the prediction lay apart from every organ"
    assert stray.flags == ("Do not use this target",)
    assert doubts_about_target([stray]) == (stray.value, "Do not use this target")
    assert doubts_about_target([said()]) == doubts_about_target([]) == ()


def test_overlap_of_outlines_is_contact_and_not_invasion():
    touching = ((20, 26), (12, 16), (38, 44))  # rows 12 on: next to the thyroid cartilage, rows 10-11
    report = build_report(inputs(lesions=lesions_volume([touching])))
    cartilage = report.line("thyroid_cartilage")
    assert cartilage.value == "In contact: primary tumour and thyroid cartilage, outlines touch"
    assert report.line("cricoid_cartilage").value == "Not involved by the primary tumour"
    assert report.line("cricoid_cartilage").evidence[0].region.label == "Cricoid cartilage"
    inside = ((20, 26), (11, 16), (38, 44))  # 6 x 1 x 6 of 6 x 2 x 9 voxels
    cartilage = line_of("thyroid_cartilage", lesions=lesions_volume([inside]))
    assert cartilage.value == (
        "In contact: primary tumour and thyroid cartilage, outlines overlap (0.43 ml, 33 % of the structure)"
    )
    assert cartilage.status == "model, measured"
    assert "Large overlap: look for invasion" in cartilage.flags
    assert any("not told by masks" in flag for flag in cartilage.flags)
    assert cartilage.evidence[0].region.voxels == 36


def test_slight_overlap_is_flagged():
    grazing = ((49, 52), (16, 17), (12, 13))  # one voxel of 8 x 8 x 6
    parotid = line_of("parotid_gland", lesions=lesions_volume([grazing]))
    assert parotid.value == (
        "In contact: primary tumour and right parotid gland, outlines overlap (0.01 ml, below 1 % of the structure)"
    )
    assert any("within the spread" in flag for flag in parotid.flags)


def test_nothing_is_negative_without_every_outline():
    names = tuple(n for n in NECK if n not in ("parotid_left", "carotid_left", "carotid_right"))
    report = build_report(inputs(organs=organs_volume(names), lesions=lesions_volume([PRIMARY])))
    parotid = report.line("parotid_gland")
    assert (parotid.value, parotid.status) == (
        "Not assessed: left parotid gland not outlined (right parotid gland clear of the outline)",
        "Missing",
    )
    assert report.line("carotid_arteries_ijv").value.startswith(
        "Not assessed: internal carotid artery of either side not outlined (internal jugular vein of either side clear"
    )
    assert report.line("esophagus").value == "Not assessed: oesophagus not outlined"
    assert report.line("skull_base").value == "Not assessed: structure not outlined"
    both = build_report(inputs(lesions=lesions_volume([PRIMARY]))).line("parotid_gland")
    assert (both.value, both.status) == ("Not involved by the primary tumour", "model, measured")
    drawn = build_report(inputs(organ_sources=(), lesions=lesions_volume([PRIMARY])))
    assert {drawn.line(key).status for key in ("parotid_gland", "mandible", "midline_crossing")} == {"measured"}
    nodes_only = build_report(inputs(lesions=lesions_volume([], [NODE_III]))).line("parotid_gland")
    assert nodes_only.value == "Not assessed: no primary tumour outlined (nodes: no contact)"


def test_contact_with_a_vessel_is_told_in_degrees_by_lesion_and_side():
    # Columns 29 on lie against the medial face of the right carotid (3 x 3 voxels, ring of 16): rows 22-24 touch
    # three of its voxels, and the corners above and below two more.
    wall = ((20, 24), (21, 26), (29, 33))
    line = line_of("carotid_arteries_ijv", organ_sources=(), lesions=lesions_volume([wall]))
    assert line.value == "Primary tumour abuts the right internal carotid artery over 110 degrees"
    assert "Thrombosis is not assessed" in line.flags
    around = ((20, 24), (20, 27), (24, 31))
    given = {"lesions": lesions_volume([PRIMARY], nodes=[around])}
    report = build_report(inputs(organ_sources=(), **given))
    line = report.line("carotid_arteries_ijv")
    assert line.value.startswith("Node 1 encases the right internal carotid artery over 360 degrees; Node 1 ")
    assert any("not told by masks" in flag for flag in line.flags)
    [node] = [lesion for lesion in report.lesions if lesion.role == "node"]
    assert next((c.structure, c.term, c.degrees) for c in node.contacts) == ("carotid_right", "encases", 360)
    assert "Node 1 encases the right internal carotid artery (360 degrees)" in report.summary
    assert "invade" not in report.summary and "invade" not in line.value
    # A network's outline of the vessel does not tell how much of it is encased.
    rough = build_report(inputs(**given))
    assert rough.line("carotid_arteries_ijv").value.startswith(
        "In contact: node 1 and right internal carotid artery, 360 degrees; node 1 and right internal jugular vein, "
    )
    assert "Node 1 in contact with the right internal carotid artery as a network outlined it" in rough.summary
    assert "encases" not in rough.summary


def test_nodes_number_side_level_and_size():
    report = build_report(inputs(lesions=lesions_volume([PRIMARY], [NODE_IIA, NODE_III, NODE_IB])))
    # Sizes: 3 x 4 x 4 = 48, 3 x 4 x 2 = 24 and 2 x 2 x 2 = 8 voxels.
    assert report.line("number_of_nodes").value == (
        "3 outlined (1 right level IIa; 1 left level III; 1 right level Ib)"
    )
    assert report.line("side").value == "Bi (right 2, left 1)"
    # corners (6, 6, 6) mm apart: sqrt(108), and one voxel more along (1, 1, 1) / sqrt(3): 2 * sqrt(3)
    assert np.sqrt(108) + 2 * np.sqrt(3) == pytest.approx(13.86, abs=0.01)
    assert report.line("max_size").value == ("1.4 cm in longest dimension, axial 1.1 x 1.1 cm (right, level IIa)")
    assert report.line("extranodal_extension").value == "Not assessed: needs a reader"
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
        (((8, 11), (20, 22), (39, 42)), "level VI (anterior compartment)"),
        (((45, 47), (26, 29), (34, 36)), "level VIIa (retropharyngeal)"),
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


def test_a_silent_outline_is_not_a_count_of_none():
    report = build_report(inputs(lesions=lesions_volume()))
    assert report.empty
    assert report.line("number_of_nodes").value == "No node outlined by the reader"
    assert report.line("max_size").value == "Not assessed: no node outlined"
    assert report.line("primary_location_of_the_mass").value == "Not assessed: no primary tumour outlined"
    assert report.lesions == ()
    assert any("not evidence" in warning for warning in report.warnings)
    silent = build_report(
        inputs(lesions=lesions_volume([PRIMARY]), lesions_status="model", lesions_source=TUMOUR_MODEL)
    )
    number = silent.line("number_of_nodes")
    assert (number.value, number.status) == ("No node outlined by the model", "model")
    assert "which does not exclude nodal disease" in silent.summary


def test_single_voxel_lesions_have_a_size():
    report = build_report(
        inputs(lesions=lesions_volume([((40, 41), (18, 19), (36, 37))], [((20, 21), (22, 23), (15, 16))]))
    )
    assert report.line("size_of_the_mass").value.startswith("0.3 cm in longest dimension; 0.2 x 0.2 x 0.3 cm")
    assert report.line("max_size").value.startswith("0.3 cm in longest dimension, axial 0.2 x 0.2 cm")
    assert report.line("primary_location_of_the_mass").value == "Oropharynx, right side"


def test_classifier_speaks_of_an_outlined_tumour_where_nothing_is_measured():
    meaning = "overlap of the tumour with the structure"
    answers = {
        "epiglottis": Involvement(0.7, 0.5, meaning),
        "soft_palate": Involvement(0.5, 0.6, meaning),
        "lip": Involvement(0.1, 0.6, meaning),
        "valleculae": Involvement(0.2, 0.15, meaning),
    }
    report = build_report(inputs(lesions=lesions_volume([PRIMARY]), involvement=answers, involvement_source=CLASSIFIER))
    epiglottis = report.line("epiglottis")
    assert (epiglottis.value, epiglottis.probability, epiglottis.status) == ("Involvement likely", 0.7, "model")
    assert epiglottis.evidence[0].source == "involvement 3"
    assert epiglottis.evidence[0].note == f"Epiglottis: 0.70, threshold 0.50; {meaning}"
    assert report.line("soft_palate").value == "Involvement possible"
    assert report.line("lip").value == "Involvement unlikely"
    # The network's own threshold is reached: never called unlikely.
    assert report.line("valleculae").value == "Involvement possible"
    assert "likely involving epiglottis; possibly involving soft palate." in report.summary
    # Without an outline there is nothing to involve.
    silent = build_report(inputs(involvement=answers, involvement_source=CLASSIFIER))
    assert silent.line("epiglottis").value == "Not assessed: no outline"


def test_what_virtual_patients_alone_taught_is_said():
    answers = {"lip": Involvement(0.7, 0.5, "overlap", None, "virtual patients only")}
    answers["tonsil"] = Involvement(0.2, 0.5, "overlap")
    report = build_report(inputs(lesions=lesions_volume([PRIMARY]), involvement=answers, involvement_source=CLASSIFIER))
    assert report.line("lip").evidence[0].note.endswith("; taught by virtual patients only")
    assert "taught" not in report.line("tonsil").evidence[0].note


def test_a_predicted_tonsil_is_that_of_the_side_of_the_outlined_primary():
    answers = {"tonsil": Involvement(0.9, 0.5, "overlap"), "lip": Involvement(0.9, 0.5, "overlap")}
    lesions = lesions_volume([PRIMARY])
    report = build_report(inputs(lesions=lesions, involvement=answers, involvement_source=CLASSIFIER))
    assert report.line("tonsil").value == "Involvement likely, right"
    assert report.line("lip").value == "Involvement likely"
    assert "right tonsil" in report.summary
    mirrored = lesions.with_array(lesions.array[:, :, ::-1].copy())
    report = build_report(inputs(lesions=mirrored, involvement=answers, involvement_source=CLASSIFIER))
    assert report.line("tonsil").value == "Involvement likely, left"


def test_one_scale_of_words_for_every_line():
    def doubtful(p, band=(0.4, 0.7)):
        return Involvement(p, 0.5, "m", band)

    chances = {"epiglottis": 0.7, "false_cords": 0.6, "lip": 0.39, "soft_palate": 0.71, "skull_base": 0.41}
    answers = {key: doubtful(p) for key, p in chances.items()}
    report = build_report(inputs(lesions=lesions_volume([PRIMARY]), involvement=answers, involvement_source=CLASSIFIER))
    assert {key: report.line(key).value for key in chances} == {
        "epiglottis": "Involvement likely",
        "false_cords": "Involvement possible",
        "lip": "Involvement possible",
        "soft_palate": "Involvement likely",
        # Overlap with the outline, of what tumour does not line: contact.
        "skull_base": "Contact possible",
    }
    assert "threshold 0.50, band of doubt 0.40 to 0.70" in report.line("epiglottis").evidence[0].note


def test_of_deep_structures_contact_is_predicted_unless_the_whole_scan_was_classified():
    answers = {"parapharyngeal_space": Involvement(0.99, 0.5, "overlap"), "pyriform_sinus": Involvement(0.9, 0.5, "m")}
    given = {"lesions": lesions_volume([PRIMARY]), "involvement": answers, "involvement_source": CLASSIFIER}
    report = build_report(inputs(**given))
    assert report.line("parapharyngeal_space").value == "Contact likely"
    assert report.line("pyriform_sinus").value.startswith("Involvement likely")
    assert "likely in contact with parapharyngeal space" in report.summary
    of_scan = build_report(inputs(whole_scan=True, **given))
    assert of_scan.line("parapharyngeal_space").value == "Involvement likely"


def test_measurement_wins_and_disagreement_is_flagged():
    answers = {"thyroid_cartilage": Involvement(0.8, 0.5, "involvement")}
    line = line_of(
        "thyroid_cartilage", lesions=lesions_volume([PRIMARY]), involvement=answers, involvement_source=CLASSIFIER
    )
    assert (line.value, line.status, line.probability) == (
        "Not involved by the primary tumour",
        "model, measured",
        None,
    )
    assert line.flags == ("The classifier differs: contact likely (0.80)",)
    assert [e.status for e in line.evidence] == ["reader", "model"]


def test_a_prediction_stands_where_half_of_the_outlines_is_missing():
    names = tuple(n for n in NECK if n != "parotid_left")
    line = line_of(
        "parotid_gland",
        organs=organs_volume(names),
        lesions=lesions_volume([PRIMARY]),
        involvement={"parotid_gland": Involvement(0.4, 0.5, "m")},
        involvement_source=CLASSIFIER,
    )
    assert (line.value, line.status) == ("Contact possible", "model")
    assert line.flags[0].startswith("Not assessed: left parotid gland not outlined")


def test_the_addendum_holds_what_the_template_lacks():
    report = build_report(inputs(lesions=lesions_volume([((38, 40), (2, 6), (30, 34))])))
    mandible = report.line("mandible")
    # 2 x 1 x 4 of 8 x 2 x 25 voxels
    assert mandible.section == ADDENDUM
    assert mandible.value == (
        "In contact: primary tumour and mandible, outlines overlap (0.10 ml, 2 % of the structure)"
    )
    clear = build_report(inputs(lesions=lesions_volume([PRIMARY])))
    assert clear.line("mandible").value == "Not involved by the primary tumour"
    # Columns 30 to 38, 2 mm each; the midline is column 40.
    assert clear.line("midline_crossing").value == "Not crossed by 3 mm or more"
    over = build_report(inputs(lesions=lesions_volume([((36, 42), (16, 21), (30, 43))])))
    assert over.line("midline_crossing").value == "Crossed by 4 mm, to the left"
    absent = build_report(inputs(organs=organs_volume(("oropharynx",)), lesions=lesions_volume([PRIMARY])))
    assert absent.line("mandible").value == "Not assessed: mandible not outlined"
    for key in ("nasopharynx", "masticator_space", "perineural_spread"):
        assert clear.line(key).status == "Missing"


def test_further_foci_are_listed_one_by_one_and_never_pooled():
    second = ((36, 40), (16, 20), (44, 48))  # left half of the oropharynx, 10 columns of 2 mm from the first
    report = build_report(inputs(lesions=lesions_volume([PRIMARY, second])))
    assert report.line("primary_location_of_the_mass").value == "Oropharynx, right side"
    assert [lesion.role for lesion in report.lesions] == ["index lesion", "further focus"]
    focus = report.line("further_focus_1")
    # 4 x 4 x 4 voxels of 0.012 ml; corners (6, 6, 9) mm apart; columns 38 and 44 are 12 mm apart
    longest = np.sqrt(153) * (1 + 3 / 9)
    assert focus.value == (f"Oropharynx, left; {longest / 10:.1f} cm, 0.77 ml, 12 mm from the primary tumour")
    assert "One further focus in the neck, listed one by one." in report.summary
    assert focus.flags == ()
    suv = Volume(np.full(SHAPE, 4.0, np.float32), grid(), Quantity.SUV)
    found = build_report(
        inputs(lesions=lesions_volume([PRIMARY, second]), lesions_status="model", lesions_source=TUMOUR_MODEL, pet=suv)
    )
    assert "SUVmax 4.0" in found.line("further_focus_1").value
    assert found.line("further_focus_1").flags[0].startswith("May be physiological uptake")
    assert "that may be physiological uptake" in found.summary
    assert "1.8 x 1.8 cm" in report.line("size_of_the_mass").value
    # As dark as blood: a network's error, which the impression leaves out.
    dark = suv.with_array(suv.array / 2)
    found = build_report(
        inputs(lesions=lesions_volume([PRIMARY, second]), lesions_status="model", lesions_source=TUMOUR_MODEL, pet=dark)
    )
    assert found.line("further_focus_1").flags[0].startswith("Uptake not raised")
    assert "further focus" not in found.summary


def test_a_networks_node_inside_a_salivary_gland_may_be_its_uptake():
    suv = Volume(np.full(SHAPE, 4.0, np.float32), grid(), Quantity.SUV)
    inside = ((35, 38), (11, 15), (23, 27))
    told = {"lesions_status": "model", "lesions_source": TUMOUR_MODEL, "pet": suv}
    alone = build_report(inputs(lesions=lesions_volume([PRIMARY], [inside]), **told))
    assert (
        "One node is outlined, inside a salivary gland: perhaps physiological uptake. Nodal disease is not excluded."
        in alone.summary
    )
    beside = build_report(inputs(lesions=lesions_volume([PRIMARY], [NODE_III, inside]), **told))
    assert beside.impression[1].words.startswith("One left node")
    assert "; one outlined inside salivary glands may be physiological uptake." in beside.impression[1].words
    assert beside.line("number_of_nodes").flags[1].startswith("1 lies inside a salivary gland")
    # A reader knows.
    drawn = build_report(inputs(lesions=lesions_volume([PRIMARY], [inside]), pet=suv))
    assert "physiological" not in drawn.summary


def test_a_mass_that_no_site_holds_half_of_is_named_by_the_two_that_hold_most():
    # Rows 12 to 20: two in the tongue, five in the oropharynx, the others between and beside.
    across = ((36, 42), (11, 19), (28, 40))
    report = build_report(inputs(lesions=lesions_volume([across])))
    assert report.line("primary_location_of_the_mass").value == "Oropharynx and tongue, right side"
    assert "mass of the right oropharynx and tongue" in report.summary


def test_a_mass_of_one_side_that_crosses_the_midline_is_said_to():
    over = ((36, 42), (16, 21), (30, 44))
    assert (
        "of the right oropharynx, crossing the midline" in build_report(inputs(lesions=lesions_volume([over]))).summary
    )
    assert "crossing" not in build_report(inputs(lesions=lesions_volume([PRIMARY]))).summary


def test_unusual_outlines_of_organs_are_named_once_and_explained_beside_the_organ():
    doubts = {"tongue": ("volume 1 ml, plausible are 2 to 3 ml",), "skull": ("x",)}
    report = build_report(inputs(organs_doubted=doubts))
    assert "Look before use at outlines of unusual size, place or shape: Tongue." in report.warnings
    assert next(organ for organ in report.organs if organ.name == "tongue").doubts == doubts["tongue"]


def test_a_focus_outside_the_neck_is_no_primary_and_no_node():
    chest = ((0, 2), (30, 34), (38, 44))  # 45 mm and more below the cricoid's lower end
    organs = organs_volume(("cricoid_cartilage", "oropharynx"))
    moved = organs.with_array(np.roll(organs.array, 10, axis=0))
    report = build_report(inputs(organs=moved, lesions=lesions_volume([chest])))
    assert report.line("primary_location_of_the_mass").value == (
        "Not assessed: the outlined primary tumour lies outside the neck"
    )
    assert report.empty
    assert report.line("focus_outside_the_neck_1").value.startswith("Below the neck, midline; ")
    assert any("check the outlines" in warning for warning in report.warnings)
    assert "outside the neck and is not reported as such" in report.summary
    node = build_report(inputs(organs=moved, lesions=lesions_volume([], [chest])))
    assert node.line("number_of_nodes").value == "No node outlined by the reader"
    unknown = build_report(inputs(organs=organs_volume(()), lesions=lesions_volume([chest])))
    assert unknown.lesions[0].role == "index lesion"
    assert any("No organ tells where the neck is" in warning for warning in unknown.warnings)


def test_missing_organs_and_volumes():
    report = build_report(
        inputs(organs=organs_volume(("tongue", "hyoid_bone")), organs_expected=("tongue", "parotid_left", "hyoid_bone"))
    )
    assert len(report.missing_organs) == 28
    why = {organ.name: organ.why for organ in report.missing_organs}
    assert why["parotid_left"] == "looked for and not found"
    assert why["carotid_left"] == "no model outlines it"
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


@pytest.mark.parametrize(("where", "open_"), [((36, 42), True), ((4, 8), False)])
def test_a_network_calls_no_sub_site_unlikely_where_the_outline_reaches_its_surroundings(where, open_):
    said = {"floor_of_mouth": Involvement(0.05, 0.5, "overlap")}
    # In the tongue, or 84 mm below its upper edge.
    mass = (where, (6, 12), (38, 43))
    line = line_of("floor_of_mouth", lesions=lesions_volume([mass]), involvement=said, involvement_source=CLASSIFIER)
    if not open_:
        assert line.value == "Involvement unlikely"
        return
    assert line.value == "Not assessed: not outlined, and the tumour outline reaches its surroundings (tongue)"
    assert (line.status, line.probability) == ("Missing", None) and "unlikely (0.05)" in line.flags[0]
    assert line.evidence[0].probability == 0.05


@pytest.mark.parametrize(
    ("slices", "rows", "site"),
    [
        ((36, 39), (6, 10), "Tongue or floor of the mouth"),
        ((41, 44), (6, 10), "Tongue"),
        ((36, 39), (12, 14), "Tongue"),  # the base of the tongue, behind the floor
    ],
)
def test_low_and_anterior_in_the_tongue_the_floor_of_the_mouth_is_named_too(slices, rows, site):
    value = line_of("primary_location_of_the_mass", lesions=lesions_volume([(slices, rows, (34, 38))])).value
    assert value == f"{site}, right side"


@pytest.mark.parametrize(
    ("columns", "side"), [((33, 44), "right side"), ((36, 45), "midline"), ((37, 48), "left side")]
)
def test_a_large_mass_a_little_off_the_midline_has_a_side(columns, side):
    # Organs mirror about column 40.25; the first centroid lies 4.5 mm to the right of it, the last 3.5 mm to the left.
    report = build_report(inputs(lesions=lesions_volume([((36, 42), (16, 21), columns)])))
    assert report.line("primary_location_of_the_mass").value == f"Oropharynx, {side}"
    assert report.lesions[0].side == side.removesuffix(" side")
