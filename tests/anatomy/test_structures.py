import numpy as np

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, ORGANS, STRUCTURES, Side, opposite, structure_mask


def test_labels_names_and_colours_are_unique():
    for attribute in ("label", "name", "rgb", "words"):
        values = [getattr(s, attribute) for s in STRUCTURES]
        assert len(values) == len(set(values)), attribute


def test_labels_fit_a_byte():
    assert all(0 < s.label < 256 for s in STRUCTURES)


def test_sided_structures_come_in_pairs_with_one_code():
    for s in STRUCTURES:
        other = BY_NAME[opposite(s.name)]
        assert (other.side is s.side) == (s.side is Side.MIDLINE)
        if s.side is not Side.MIDLINE and s.code[1] == "SCT":
            assert other.code == s.code


def test_appendix_e_of_sgrnet_keeps_its_numbers():
    assert [BY_LABEL[i].name for i in (1, 5, 6, 12, 15, 18, 21)] == [
        "larynx_air",
        "tongue",
        "digastric_left",
        "submandibular_left",
        "carotid_left",
        "jugular_right",
        "hypopharynx",
    ]
    assert [s.label for s in ORGANS][:21] == list(range(1, 22))


def test_the_larynx_includes_the_air_painted_over_it_but_not_its_cartilages():
    labels = np.array([[[28, 1, 2, 3, 4]]])
    assert structure_mask(labels, "larynx").tolist() == [[[True, True, False, False, False]]]
    assert structure_mask(labels, "hyoid_bone").sum() == 1


def test_tg263_names_are_unique_short_and_sided():
    names = [s.tg263 for s in STRUCTURES]
    assert len(set(names)) == len(names)
    for s in STRUCTURES:
        assert 0 < len(s.tg263) <= 16, s.name
        assert s.tg263.endswith("_L") == (s.side is Side.LEFT)
        assert s.tg263.endswith("_R") == (s.side is Side.RIGHT)
    expected = {"parotid_left": "Parotid_L", "spinal_cord": "SpinalCord", "gtvp": "GTVp", "mandible": "Bone_Mandible"}
    assert {name: BY_NAME[name].tg263 for name in expected} == expected


def test_snomed_codes_agree_with_those_that_pydicom_carries():
    from pydicom.sr.codedict import codes

    for name, keyword in (
        ("oropharynx", "Oropharynx"),
        ("carotid_left", "InternalCarotidArtery"),
        ("larynx", "Larynx"),
    ):
        assert BY_NAME[name].code[0] == getattr(codes.SCT, keyword).value
    private = {s.name for s in STRUCTURES if s.code[1] == "99HYOID"}
    assert private == {"larynx_air", "target_region"} | {
        f"{muscle}_{side}" for muscle in ("sternothyroid", "thyrohyoid") for side in ("left", "right")
    }
