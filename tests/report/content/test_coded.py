import pytest

from hyoid.anatomy import codes
from hyoid.report.content.coded import (
    clinical_stages,
    coded_findings,
    lesion_identifier,
    response_by_diameters,
)
from hyoid.report.content.levels import level_names
from hyoid.report.content.response import RegistrationLine, ResponseLine, ResponseReport
from hyoid.report.content.schema import Change, Line


def found(report):
    return {finding.identifier: finding for finding in coded_findings(report)}


def numbers(finding):
    return {(n.name.meaning, n.derivation.meaning if n.derivation else ""): n.value for n in finding.measured}


def answers(finding):
    return {question.meaning: answer.meaning for question, answer in finding.answers}


def test_lesions_with_their_numbers_sites_and_levels(measured_case):
    rows = found(measured_case.report)
    assert list(rows)[:3] == ["GTVp 1", "GTVn 1", "GTVn 2"]
    primary = rows["GTVp 1"]
    assert numbers(primary) == {
        ("Volume", ""): 1.2, ("Diameter", "Maximum"): 17.35, ("Long axis", ""): 14.1, ("Short axis", ""): 10.0,
        ("SUVbw", "Maximum"): 12.3, ("SUVbw", "Mean"): 5.6, ("Metabolic Volume", ""): 1.1,
        ("Total Lesion Glycolysis", ""): 6.05,
    }  # fmt: skip
    assert (primary.kind.meaning, primary.side) == ("Malignant neoplasm, primary", "left")
    assert [site.meaning for site in primary.sites] == ["base of tongue"]
    node = rows["GTVn 1"]
    assert [site.meaning for site in node.sites] == ["upper jugular lymph node", "middle jugular lymph node"]
    assert [a.meaning for _, a in node.answers] == ["IIa", "III"]
    assert answers(rows["GTVn 2"]) == {"ECS": "absent"}  # the element's list has no level VI


def test_answered_lines_and_only_these(measured_case):
    rows = found(measured_case.report)
    assert list(rows)[3:] == ["base_of_tongue", "epiglottis", "tonsil", "number_of_nodes", "ct_tnm8"]
    said = {key: answers(rows[key]).get("Site involvement") for key in ("base_of_tongue", "epiglottis", "tonsil")}
    assert said == {"base_of_tongue": "Involved", "epiglottis": "Uninvolved", "tonsil": "Involvement possible"}
    assert "sgrnet-template 0.3" in rows["tonsil"].words
    nodes = rows["number_of_nodes"]
    assert numbers(nodes) == {("Number of lesions", ""): 2}
    assert answers(nodes) == {"Number of nodes": "multiple", "Side": "bilateral"}


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("In contact: primary tumour and mandible, outlines touch", "In contact, invasion not told"),
        ("Primary tumour abuts the internal carotid artery over 90 degrees", "In contact, invasion not told"),
        ("R - involved: right (0.2 ml)", "Involved"),
        ("Not involved by the primary tumour or the outlined nodes", "Uninvolved"),
        ("Involvement unlikely", "Involvement unlikely"),
        ("Narrowest 40 mm2", None),
    ],
)
def test_words_of_involvement_as_codes(measured_case, value, meaning):
    line = Line(key="mandible_like", words="x", section="Other Structures", value=value, status="measured")
    line = line.model_copy(update={"key": "parapharyngeal_space"})
    report = measured_case.report.model_copy(update={"lines": (line,)})
    assert answers(found(report)["parapharyngeal_space"]).get("Site involvement") == meaning


def test_invasion_is_also_the_answer_of_a_reporting_element(measured_case):
    line = Line(key="prevertebral_space", words="x", section="Other Structures", value="Involved: a", status="reader")
    report = measured_case.report.model_copy(update={"lines": (line,)})
    assert answers(found(report)["prevertebral_space"])["Pre-vertebral invasion"] == "present"


@pytest.mark.parametrize(
    ("before", "word", "percent"), [(2.4, "smaller", -50.0), (1.0, "larger", 20.0), (1.1, "stable", 9.09)]
)
def test_change_since_an_earlier_report(measured_case, before, word, percent):
    change = Change(
        lesion="Primary tumour", prior="Primary tumour", kind="GTVp", before_ml=before, after_ml=1.2,
        before_long_mm=None, after_long_mm=None, words="Primary tumour changed",
    )  # fmt: skip
    gone = change.model_copy(update={"lesion": "", "prior": "Node 3", "kind": "GTVn", "after_ml": None})
    rows = found(measured_case.report.model_copy(update={"changes": (change, gone)}))
    assert answers(rows["GTVp 1"])["change from prior"] == word
    assert numbers(rows["GTVp 1"])[codes.VOLUME_CHANGE.meaning, ""] == percent
    assert numbers(rows["GTVn before: Node 3"]) == {(codes.VOLUME_BEFORE.meaning, ""): before}
    assert not rows["GTVn before: Node 3"].answers  # not outlined is not the same as resolved


def test_a_lesion_without_counterpart_is_not_called_new(measured_case):
    change = Change(
        lesion="Primary tumour", prior="", kind="GTVp", before_ml=None, after_ml=1.2, before_long_mm=None,
        after_long_mm=None, words="no counterpart outlined before",
    )  # fmt: skip
    rows = found(measured_case.report.model_copy(update={"changes": (change,)}))
    assert "change from prior" not in answers(rows["GTVp 1"])


def changed(kind, before, after):
    """One lesion, its long axis then and now; the short axis of a node."""
    sizes = {"before_long_mm": before, "after_long_mm": after, "before_short_mm": before, "after_short_mm": after}
    return Change(lesion="a", prior="b", kind=kind, before_ml=1.0, after_ml=1.0, words="w", **sizes)


@pytest.mark.parametrize(
    ("now", "category"),
    [
        (27.9, "Target Lesion Partial Response"),  # of 40 mm: -30.25 %
        (28.1, "Target Lesion Stable Disease"),
        (47.9, "Target Lesion Stable Disease"),
        (48.0, "Target Lesion Progressive Disease"),  # +20 % and 8 mm
    ],
)
def test_response_by_the_sum_of_diameters(now, category):
    found = response_by_diameters([changed("GTVp", 20.0, now - 20), changed("GTVn", 20.0, 20.0)])
    assert [number.value for number in found.measured] == [40.0, now, round(100 * (now / 40 - 1), 2)]
    assert answers(found) == {"Current Response": category}


def test_less_than_five_millimetres_are_no_progress():
    assert answers(response_by_diameters([changed("GTVp", 12.0, 16.0)])) == {
        "Current Response": "Target Lesion Stable Disease"
    }


def test_targets_are_large_enough_and_two_per_organ():
    small = [changed("GTVp", 9.9, 30.0), changed("GTVn", 14.9, 30.0)]
    assert response_by_diameters(small) is None
    assert response_by_diameters([]) is None
    nodes = [changed("GTVn", size, size) for size in (16.0, 30.0, 20.0)]
    assert response_by_diameters([*small, *nodes]).measured[0].value == 50.0


def test_a_target_that_is_not_outlined_now_leaves_the_response_open():
    found = response_by_diameters([changed("GTVp", 20.0, 10.0), changed("GTVn", 20.0, None)])
    assert [number.value for number in found.measured] == [40.0]
    assert not found.answers
    assert "1 not outlined now" in found.words


def response_of(report):
    row = {"kind": "GTVp", "slice_index": 0, "point_lps_mm": (0, 0, 0)}
    lines = (
        ResponseLine(name="GTVp 1", before_ml=2.4, after_ml=1.2, percent=-50, change="smaller", present=0.9, **row),
        ResponseLine(
            name="GTVp 2", before_ml=0.5, after_ml=None, percent=None, change="not in the field of view", **row
        ),
    )
    return ResponseReport(
        impression=("s",), definition="d",
        pre=report.study, mid=report.study, registration=RegistrationLine(method="m"),
        gradient="g", models=report.models, response=lines, lesions=report.lesions, warnings=(), empty=False,
    )  # fmt: skip


def test_response_of_every_followed_lesion(measured_case):
    rows = found(response_of(measured_case.report))
    assert list(rows)[:3] == ["GTVp 1", "GTVn 1", "GTVn 2"]
    first = rows["GTVp 1, followed from the earlier scan"]
    assert numbers(first) == {
        ("Volume", ""): 1.2, (codes.VOLUME_BEFORE.meaning, ""): 2.4, (codes.VOLUME_CHANGE.meaning, ""): -50.0,
        (codes.PRESENCE.meaning, ""): 0.9,
    }  # fmt: skip
    assert answers(first) == {"change from prior": "smaller"}
    unseen = rows["GTVp 2, followed from the earlier scan"]
    assert numbers(unseen) == {(codes.VOLUME_BEFORE.meaning, ""): 0.5}
    assert not unseen.answers
    assert clinical_stages(response_of(measured_case.report)) == ()


def test_stages_and_names(measured_case):
    ((question, line),) = clinical_stages(measured_case.report)
    assert (question.value, line.key) == ("21905-5", "ct_tnm8")
    assert lesion_identifier(measured_case.report.lesions[2]) == "GTVn 2"
    assert level_names("level not determined") == ()
