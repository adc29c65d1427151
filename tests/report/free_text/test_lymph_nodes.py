import pytest

from hyoid.report.free_text.node_levels import levels_in
from hyoid.report.free_text.sentences import plain
from hyoid.report.free_text.structure import structure_text


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("level II, III regions", ("II", "III")),
        ("levels II-IV", ("II", "III", "IV")),
        ("levels IB to III", ("Ib", "II", "III")),
        ("level IIA/B", ("IIa", "IIb")),
        ("level 2 and 3", ("II", "III")),
        ("stations Va & Vb", ("Va", "Vb")),
        ("jugulodigastric node", ("II",)),
        ("right IIA node", ("IIa",)),
        ("at the level of the hyoid", ()),
    ],
)
def test_levels(text, levels):
    assert tuple(name for *_, found in levels_in(plain(text)) for name in found) == levels


@pytest.mark.parametrize(
    ("text", "number", "side", "size"),
    [
        ("Two enlarged nodes in right level IIa and one in left level III, the largest 2 x 1.4 cm.",
         "3 (2 right level IIa; 1 left level III)", "Bi", "2 x 1.4 cm"),
        ("Mass in the right tonsil. A 18 mm necrotic right level II node.", "1 (right level II)", "Ipsi (right)", "1.8 cm"),
        ("Mass in the right tonsil. Several left level II nodes.", "Multiple (left level II)", "Contra (left)", None),
        ("Left level III node of 2 cm.", "1 (left level III)", "Left, side of the primary not stated", "2 cm"),
        ("Bilateral cervical lymphadenopathy.", "Present, number not stated (both sides)", "Bi", None),
        ("The 2.4 cm node in left level III previously measured 3.5 cm.", "1 (left level III)",
         "Left, side of the primary not stated", "2.4 cm"),
        ("No lymph nodes larger than 1 cm in the neck.", "0", "Not applicable, no node", "Not applicable, no node"),
        ("Few subcentimetric lymph nodes in bilateral level II, likely reactive.", None, None, None),
        ("Nodes: left level IIA x 2, left level III x 1.", "3 (2 left level IIa; 1 left level III)",
         "Left, side of the primary not stated", None),
        ("Nodes: 3 left level IV, 2 right level IV, 1 left level VI.",
         "6 (3 left level IV; 2 right level IV; 1 left level VI)", "Bi", None),
        ("Nodes on the left: Ib, II, III, 6 in no.", "6 (left level Ib, II, III)",
         "Left, side of the primary not stated", None),
        ("Right level II and III each one node of 16 mm.", "2 (right level II, III)",
         "Right, side of the primary not stated", "1.6 cm"),
        ("There are a further two nodes in right level III.", "2 (right level III)",
         "Right, side of the primary not stated", None),
        ("More than ten abnormal nodes: right levels III and IV.", "Multiple (right level III, IV)",
         "Right, side of the primary not stated", None),
        ("Right level Ib adenopathy of 17 mm.", "1 (right level Ib)", "Right, side of the primary not stated", "1.7 cm"),
        ("Right level I nodes: 3 (largest 14 mm). Left level III-V nodes: not involved.", "3 (right level I)",
         "Right, side of the primary not stated", "1.4 cm"),
        ("Level 2/3 necrotic node on the right.", "1 (right level II, III)", "Right, side of the primary not stated", None),
        ("Nodes: level IV and V free on both sides.", None, None, None),
        ("The right level II node is no longer identifiable.", None, None, None),
        ("Cervical nodes without pathological significance on both sides.", None, None, None),
        ("No enlarged nodes, no retropharyngeal nodes.", "0", "Not applicable, no node", "Not applicable, no node"),
    ],
)  # fmt: skip
def test_number_side_and_size(text, number, side, size):
    found = {line.key: line.value for line in structure_text(text).lines if line.status == "text"}
    assert (found.get("number_of_nodes"), found.get("side"), found.get("max_size")) == (number, side, size)


def test_the_impression_does_not_count_nodes_twice():
    text = "Findings: Two nodes in left level II.\n\nImpression: Left cervical lymphadenopathy, two nodes."
    assert structure_text(text).line("number_of_nodes").value == "2 (left level II)"


def test_extranodal_extension_and_fat_planes():
    text = "Right level II node of 3 cm with extranodal extension and loss of fat planes with the sternocleidomastoid."
    report = structure_text(text)
    assert (report.line("extranodal_extension").value, report.line("loss_of_fat_planes").value) == (
        "Present",
        "Present",
    )
