import pytest

from hyoid.anatomy.staging import CRITERIA, N_CRITERIA, N_TABLES, T_TABLES, Edition, Site
from hyoid.anatomy.structures import Side
from hyoid.errors import UsageError
from hyoid.report.content.schema import Contact, Lesion, Region
from hyoid.report.content.staging import (
    NodeFindings,
    PrimaryFindings,
    StagingRequest,
    extension_of,
    node_findings,
    stage_nodes,
    stage_primary,
    staging_lines,
)

NOTHING_ELSE = dict.fromkeys(CRITERIA, False)


def t(site, edition, size_cm=1.0, depth_mm=None, **met):
    extends = {**NOTHING_ELSE, **met}
    for key in ("size>2", "size>4", "depth>5", "depth>10"):
        extends.pop(key)
    return stage_primary(site, edition, PrimaryFindings(size_cm, depth_mm, extends))


def n(site, edition, *nodes, side=Side.LEFT, all_outlined=True):
    return stage_nodes(site, edition, nodes, side, all_outlined=all_outlined)


def node(side=Side.LEFT, size_cm=2.0, extranodal=False, below=False, supra=False, retro=False):
    return NodeFindings(side, size_cm, extranodal, below, supra, retro)


@pytest.mark.parametrize(
    ("site", "edition", "size_cm", "met", "stage"),
    [
        (Site.OROPHARYNX_P16_NEGATIVE, Edition.EIGHTH, 2.0, (), "T1"),
        (Site.OROPHARYNX_P16_NEGATIVE, Edition.EIGHTH, 2.1, (), "T2"),
        (Site.OROPHARYNX_P16_NEGATIVE, Edition.EIGHTH, 4.1, (), "T3"),
        (Site.OROPHARYNX_P16_NEGATIVE, Edition.EIGHTH, 1.0, ("epiglottis_lingual",), "T3"),
        (Site.OROPHARYNX_P16_NEGATIVE, Edition.EIGHTH, 1.0, ("mandible",), "T4a"),
        (Site.OROPHARYNX_P16_NEGATIVE, Edition.EIGHTH, 1.0, ("carotid_encased",), "T4b"),
        (Site.OROPHARYNX_P16_POSITIVE, Edition.EIGHTH, 1.0, ("carotid_encased",), "T4"),
        (Site.OROPHARYNX_P16_POSITIVE, Edition.SEVENTH, 1.0, ("carotid_encased",), "T4b"),
        (Site.ORAL_CAVITY, Edition.SEVENTH, 1.0, ("extrinsic_tongue",), "T4a"),
        (Site.ORAL_CAVITY, Edition.SEVENTH, 4.5, (), "T3"),
        (Site.SUPRAGLOTTIS, Edition.EIGHTH, 1.0, ("preepiglottic",), "T3"),
        (Site.GLOTTIS, Edition.EIGHTH, 1.0, (), "T1a"),
        (Site.GLOTTIS, Edition.EIGHTH, 1.0, ("both_cords",), "T1b"),
        (Site.SUBGLOTTIS, Edition.SEVENTH, 1.0, ("paraglottic",), "T1"),
        (Site.SUBGLOTTIS, Edition.EIGHTH, 1.0, ("paraglottic",), "T3"),
        (Site.HYPOPHARYNX, Edition.EIGHTH, 1.0, ("second_subsite",), "T2"),
        (Site.HYPOPHARYNX, Edition.EIGHTH, 1.0, ("hyoid",), "T4a"),
        (Site.NASOPHARYNX, Edition.SEVENTH, 1.0, ("pterygoid_muscles",), "T1"),
        (Site.NASOPHARYNX, Edition.EIGHTH, 1.0, ("pterygoid_muscles",), "T2"),
        (Site.NASOPHARYNX, Edition.EIGHTH, 1.0, ("parotid",), "T4"),
    ],
)
def test_the_printed_rows(site, edition, size_cm, met, stage):
    found = t(site, edition, size_cm, 1.0, **dict.fromkeys(met, True))
    assert (found.least, found.greatest, found.gaps) == (stage, stage, ())


def test_depth_of_invasion_counts_in_the_eighth_edition_alone():
    assert t(Site.ORAL_CAVITY, Edition.EIGHTH, 1.5, 6.0).words == "cT2 (TNM 8, oral cavity)"
    assert t(Site.ORAL_CAVITY, Edition.EIGHTH, 1.5, 11.0).least == "T3"
    assert t(Site.ORAL_CAVITY, Edition.SEVENTH, 1.5, 11.0).least == "T1"


def test_an_unknown_depth_leaves_the_categories_open_and_is_named():
    found = t(Site.ORAL_CAVITY, Edition.EIGHTH, 1.5)
    assert (found.least, found.greatest) == ("T1", "T3")
    assert found.words.startswith("cT1 to cT3 (TNM 8, oral cavity; not known: depth of invasion over 5 mm; depth of")


def test_what_nobody_looked_at_excludes_nothing():
    found = stage_primary(Site.OROPHARYNX_P16_NEGATIVE, Edition.EIGHTH, PrimaryFindings(3.0, None, {}))
    assert (found.least, found.greatest) == ("T2", "T4b")
    assert "into the mandible" in found.gaps
    assert found.evidence == ("larger than 2 cm",)


def test_a_proven_higher_category_closes_the_gaps_below_it():
    found = stage_primary(
        Site.OROPHARYNX_P16_NEGATIVE, Edition.EIGHTH, PrimaryFindings(None, None, {"carotid_encased": True})
    )
    assert (found.least, found.greatest, found.gaps) == ("T4b", "T4b", ())


@pytest.mark.parametrize(
    ("edition", "nodes", "stage"),
    [
        (Edition.SEVENTH, (), "N0"),
        (Edition.SEVENTH, (node(size_cm=3.0),), "N1"),
        (Edition.SEVENTH, (node(size_cm=3.1),), "N2a"),
        (Edition.SEVENTH, (node(), node()), "N2b"),
        (Edition.SEVENTH, (node(Side.RIGHT),), "N2c"),
        (Edition.SEVENTH, (node(size_cm=6.1),), "N3"),
        (Edition.SEVENTH, (node(extranodal=True),), "N1"),
        (Edition.EIGHTH, (node(size_cm=6.1),), "N3a"),
        (Edition.EIGHTH, (node(extranodal=True),), "N3b"),
    ],
)
def test_nodes_of_most_sites(edition, nodes, stage):
    found = n(Site.ORAL_CAVITY, edition, *nodes)
    assert (found.least, found.greatest) == (stage, stage)


def test_nodes_of_a_p16_positive_oropharynx():
    site = Site.OROPHARYNX_P16_POSITIVE
    assert n(site, Edition.EIGHTH, node(size_cm=5), node()).least == "N1"
    assert n(site, Edition.EIGHTH, node(Side.RIGHT)).least == "N2"
    assert n(site, Edition.EIGHTH, node(size_cm=7)).least == "N3"


def test_nodes_of_a_nasopharynx():
    site = Site.NASOPHARYNX
    assert n(site, Edition.EIGHTH, node(), node(Side.RIGHT)).least == "N2"
    both_behind = n(site, Edition.EIGHTH, node(retro=True), node(Side.RIGHT, retro=True))
    assert (both_behind.least, both_behind.greatest) == ("N1", "N1")
    assert n(site, Edition.EIGHTH, node(below=True)).least == "N3"
    assert n(site, Edition.SEVENTH, node(below=True)).least == "N1"


def test_a_midline_primary_has_no_other_side_until_both_are_involved():
    assert n(Site.GLOTTIS, Edition.SEVENTH, node(), side=Side.MIDLINE).least == "N1"
    assert n(Site.GLOTTIS, Edition.SEVENTH, node(), node(Side.RIGHT), side=Side.MIDLINE).least == "N2c"


def test_without_word_that_all_nodes_are_outlined_nothing_is_excluded():
    found = n(Site.ORAL_CAVITY, Edition.EIGHTH, all_outlined=False)
    assert (found.least, found.greatest) == ("N0", "N3b")
    assert "an involved node" in found.gaps


def test_unknown_extranodal_extension_is_a_gap():
    found = n(Site.ORAL_CAVITY, Edition.EIGHTH, node(extranodal=None))
    assert (found.least, found.greatest, found.gaps) == ("N1", "N3b", ("clinical extranodal extension",))


def test_every_criterion_of_every_table_is_defined_and_every_table_begins_with_no_condition():
    for tables, words in ((T_TABLES, CRITERIA), (N_TABLES, N_CRITERIA)):
        assert {(site, edition) for site in Site for edition in Edition} == set(tables)
        for rows in tables.values():
            assert rows[0].any_of == ((),)
            assert {key for row in rows for group in row.any_of for key in group} <= set(words)


def test_refusals():
    with pytest.raises(UsageError, match="no staging criterion"):
        stage_primary(Site.GLOTTIS, Edition.EIGHTH, PrimaryFindings(1.0, None, {"vibes": True}))
    with pytest.raises(UsageError, match="not possible"):
        stage_primary(Site.GLOTTIS, Edition.EIGHTH, PrimaryFindings(0.0, None, {}))
    with pytest.raises(UsageError, match="not possible"):
        n(Site.GLOTTIS, Edition.EIGHTH, node(size_cm=-1))


def lesion(role="index lesion", size_mm=30.0, level="", side="left", contacts=(), **more):
    point = (0.0, 0.0, 0.0)
    return Lesion(
        name="x", kind="GTVn" if role == "node" else "GTVp", role=role, lesion=1, status="reader", volume_ml=9.0,
        longest_diameter_mm=size_mm, axial_long_mm=size_mm, axial_short_mm=10.0, side=side, level=level, voxels=9,
        slice_index=1, point_lps_mm=point, centroid_lps_mm=point, contacts=contacts, **more,
    )  # fmt: skip


def contact(structure, term, degrees=None):
    point = (0.0, 0.0, 0.0)
    where = Region(
        label="x", voxels=1, slice_index=1, point_lps_mm=point, centroid_lps_mm=point, box_mm=(1.0, 1.0, 1.0)
    )
    return Contact(
        structure=structure, words=structure, term=term, degrees=degrees, overlap_ml=0.1, share=0.1, region=where
    )


def test_apart_from_an_outlined_structure_excludes_contact_does_not_prove_and_absence_says_nothing():
    touching = lesion(contacts=(contact("mandible", "overlaps"),))
    assert extension_of(touching, {"mandible", "larynx"}) == {"larynx": False}
    assert extension_of(lesion(), {"parotid_left"}) == {}
    vessels = {"carotid_left", "carotid_right"}
    assert extension_of(lesion(contacts=(contact("carotid_left", "encases", 300),)), vessels)["carotid_encased"] is True
    assert extension_of(lesion(contacts=(contact("carotid_left", "abuts", 90),)), vessels)["carotid_encased"] is False
    # Met by a network's outline of the vessel, which is not graded.
    assert "carotid_encased" not in extension_of(lesion(contacts=(contact("carotid_left", "touches", 300),)), vessels)


@pytest.mark.parametrize(
    ("level", "below", "supra", "retro"),
    [
        ("level IIa", False, False, False),
        ("levels III and IV", True, None, False),
        ("level VIIa (retropharyngeal)", False, False, True),
        ("level VI (anterior compartment)", None, None, False),
        ("level not determined", None, None, None),
    ],
)
def test_a_nodes_place_is_read_off_its_level(level, below, supra, retro):
    found = node_findings(lesion("node", 20, level))
    assert (found.below_cricoid, found.supraclavicular, found.retropharyngeal) == (below, supra, retro)
    assert found.extranodal is None
    assert node_findings(lesion("node", 20, level, extranodal_extension="yes")).extranodal is True


def test_the_lines_give_both_letters_by_every_edition_with_the_edition_beside_them():
    rows = (lesion(), lesion("node", 25, "level IIa"))
    request = StagingRequest(Site.OROPHARYNX_P16_NEGATIVE, all_nodes=True)
    lines = {line.key: line for line in staging_lines(request, rows, (), "reader")}
    assert list(lines) == ["ct_tnm7", "cn_tnm7", "ct_tnm8", "cn_tnm8"]
    assert lines["ct_tnm8"].value.startswith("cT2 to cT4b (TNM 8, oropharynx, p16-negative; not known: ")
    assert lines["ct_tnm8"].value.endswith("more criteria)")
    assert lines["cn_tnm7"].value == "cN1 (TNM 7, oropharynx, p16-negative)"
    assert lines["ct_tnm8"].evidence[0].note == "Met: larger than 2 cm"


def test_a_networks_outlines_are_not_staged_and_nothing_is_said_unasked():
    request = StagingRequest(Site.GLOTTIS)
    assert staging_lines(None, (lesion(),), (), "reader") == ()
    assert all(
        x.value.startswith("Not assessed: outlines of a network")
        for x in staging_lines(request, (lesion(),), (), "model")
    )
    assert all(x.value.endswith("no primary tumour outlined") for x in staging_lines(request, (), (), "reader"))
