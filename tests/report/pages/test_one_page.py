import re

import numpy as np
import pytest
from tests.report.content.test_build import CLASSIFIER, MODEL, SHAPE, TUMOUR_MODEL, inputs, lesions_volume
from tests.report.content.test_change import lesion

from hyoid.report.content.build import Involvement, build_report
from hyoid.report.content.involvement import MUCOSA
from hyoid.report.content.schema import Fact, Study
from hyoid.report.content.template import FIELDS
from hyoid.report.pages.one_page import MOST_LINES, WIDTH, one_page
from hyoid.volume import Quantity

PRIMARY = ((36, 42), (16, 21), (30, 39))
# What the package that ships answers.
ANSWERED = [row.key for row in FIELDS if row.section in MUCOSA and row.key not in ("lip", "arytenoid_cartilages")]
ANSWERED += ["prevertebral_space", "pyriform_sinus", "post_cricoid_region", "parapharyngeal_space", "pterygoid_muscles"]
STRAYS = [((36, 38), (22, 24), (44, 46)), ((26, 28), (18, 20), (40, 42)), ((0, 2), (40, 43), (4, 8))]


def full_report(nodes, *, cautions=1, changes=0, **more):
    """A PET/CT with nodes on both sides, foci in and outside the neck, every sub-site answered."""
    places = [((8 + 5 * (n // 2), 12 + 5 * (n // 2)), (24, 27), (20, 26) if n % 2 else (54, 60)) for n in range(nodes)]
    lesions = lesions_volume([PRIMARY, *STRAYS], places)
    rng = np.random.default_rng(0)
    suv = lesions.with_array(np.where(lesions.array > 0, 8.0, 1.0).astype(np.float32), Quantity.SUV)
    hu = lesions.with_array(rng.normal(30, 10, SHAPE).astype(np.float32), Quantity.HU)
    answers = {key: Involvement((0.05, 0.5, 0.9)[n % 3], 0.5, "overlap") for n, key in enumerate(ANSWERED)}
    prior = [lesion("Primary tumour", "index lesion", 9.0)] + [
        lesion(f"Node {n + 1}", "node", 2.0, ("left", "right")[n % 2], "level IIa") for n in range(changes)
    ]
    given = {
        "study": Study(modality="PT/CT", spacing_mm=(3.0, 2.0, 2.0), slices=SHAPE[0]),
        "lesions": lesions,
        "lesions_status": "model",
        "lesions_source": TUMOUR_MODEL,
        "pet": suv,
        "image": hu,
        "involvement": answers,
        "involvement_source": CLASSIFIER,
        "context": (Fact(words="Clinical question", value="Staging of a carcinoma of the tonsil", source="stated"),),
        "prior_lesions": tuple(prior) if changes else None,
        "organs_doubted": {"jugular_left": ("volume",)},
        "warnings": tuple(f"Caution {n}: {'look at the outlines with care, ' * 4}please." for n in range(cautions)),
    }
    return build_report(inputs(**{**given, **more}))


@pytest.mark.parametrize(
    "report",
    [
        full_report(12),
        full_report(12, lesions_status="reader", lesions_source=None),
        full_report(14, cautions=8, changes=12, post_treatment=True),
    ],
    ids=["twelve nodes", "outlined by a reader", "follow-up"],
)
def test_the_fullest_report_is_one_page(report):
    rows = one_page(report).splitlines()
    assert len(rows) <= MOST_LINES == 66
    assert max(map(len, rows)) <= WIDTH == 100
    flat = " ".join(" ".join(rows).split())
    for number in range(1, 9):
        assert f"Node {number}: " in flat
    assert "CAUTIONS - Caution 0: look" in flat


def test_what_has_no_room_is_counted():
    report = full_report(14, cautions=8, changes=12)
    flat = " ".join(one_page(report).split())
    assert "; 6 smaller ones in report.html" in flat
    assert re.search(r"- [0-9] more in report\.html Numbers behind", flat)
    assert f"CHANGE ({len(report.changes)} lesions, one by one, in report.html)" in flat
    assert "unlikely (at most 0.05): 3 structures" in flat


def test_impression_comes_first_and_every_region_says_in_one_line_what_is_not_assessed():
    report = full_report(3)
    text = one_page(report)
    flat = " ".join(text.split())
    assert flat.startswith(f"{report.statement} PET/CT of the head and neck Clinical question: Staging of a carcinoma")
    assert text.index("IMPRESSION") < text.index("FINDINGS") < text.index("Lymph nodes:") < text.index("CAUTIONS")
    for number, sentence in enumerate(report.impression, 1):
        assert f"{number}. {sentence.words}" in flat
    part = text[text.index("Larynx:") : text.index("Other structures:")]
    assert part.count("Not assessed:") <= 1
    # Probabilities stand beside what is likely or possible, with the scale; of the unlikely only the highest.
    assert "involvement likely: floor of the mouth (0.90); possible: retromolar trigone (0.50);" in flat
    assert "likely from 0.70, unlikely below 0.30" in flat
    assert "unlikely (at most 0.05): buccal mucosa and gingiva" in flat


def test_each_contact_and_each_measure_is_said_once():
    report = full_report(4)
    flat = " ".join(one_page(report).split())
    assert report.line("carotid_arteries_ijv").value.startswith("In contact: ")
    assert "left internal jugular vein with node 2 (120 degrees), node 4 (120 degrees);" in flat
    assert flat.count(report.line("size_of_the_mass").value) == 1
    assert "inherit their errors" not in flat  # the heading of the findings says who measured
    assert "outside the neck and" not in flat and "Foci outside the neck: " in flat


def test_who_measured_is_marked_where_outlines_are_of_both():
    of_reader = " ".join(one_page(full_report(2, lesions_status="reader", lesions_source=None)).split())
    assert "FINDINGS (* measured on outlines some or all of which are a network's" in of_reader
    assert "without *: measured on outlines that a reader drew or accepted)" in of_reader
    assert "Oropharynx, right side *;" in of_reader
    assert " *" not in one_page(full_report(2))
    assert " *" not in one_page(full_report(2, lesions_status="reader", lesions_source=None, organ_sources=()))


def test_without_an_outline_no_region_says_more_than_that():
    text = one_page(build_report(inputs()))
    for region in ("Primary tumour", "Oral cavity", "Oropharynx", "Larynx"):
        assert f"{region}: not assessed (no outline)" in text
    assert "Lymph nodes: not assessed (no outline; needs a reader)" in text
    assert "FINDINGS (nothing is measured)" in text
    assert MODEL.name not in text


def test_a_silent_header_is_told_in_one_word_each_and_good_quality_not_at_all():
    facts = (
        Fact(words="Contrast", value="the header does not say", source="not known"),
        Fact(words="Slice distance", value="3.0 mm", source="measured"),
        Fact(words="SUV", value="in the file", source="stated"),
    )
    rows = one_page(full_report(1, technique=facts, image=None)).splitlines()
    assert "Technique: slice distance 3.0 mm; SUV in the file; not stated: contrast" in rows
    assert not [row for row in rows if row.startswith("Quality")]
