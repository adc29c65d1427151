import pytest

from hyoid.anatomy.outline_names import Role, choose_targets, listed, plain_name, role_of, safe_name
from hyoid.errors import UsageError, WrongQuantityError

# Names that hospitals, data sets and guidelines use, in the languages of some of them.
NAMES = {
    Role.PRIMARY: [
        "GTVp", "GTV-T", "gtv_p1", "GTV primary", "GTVt", "Primary tumour", "GTVp_left", "PrimaryTumor", "GTVnx",
        "GTV_NPC", "GTV nasopharynx", "GTV nasal cavity", "GTVp_L", "GTV_T", "GTV_P_70", "GTVp70",
        "GTV Primaertumor", "GTV_Primärtumor", "Primärtumor", "tumeur primitive", "GTV primario", "Tumor primario",
        "GTV T1", "GTV-T_MRI", "GTV_BOT", "GTV tonsil L", "GTV Zungengrund", "GTV larynx", "GTVp_MR",
        "GTV_Primary_CT", "gtv_tumor", "GTVnpc70", "GTV oropharynx", "GTV_Tumeur", "GTV tumoral primario", "GTVpL",
        "GTV-P", "GTV P 1", "PRIMARY GTV", "left GTVp", "1_GTVp", "Gross Tumor Volume Primary",
    ],
    Role.NODE: [
        "GTVn", "GTV-N", "GTV_LN", "GTVn2 left", "node 3", "Lymph nodes", "GTV nodal", "GTV LN", "GTVn1",
        "gtv_nodes", "GTV_N_L", "GTVnd", "GTVln", "GTV Lymphknoten", "GTV_LK_re", "GTV ADP", "GTV ganglion",
        "GTV adenopatía", "GTVn_II_L", "GTVn_IIa", "GTVrpn", "GTV node level II", "GTV_N2b", "GTV-Node_1", "GTVn70",
        "GTV Lymph Node", "GTV_Lymphnodes", "Lymphknoten links", "Node_L", "involved lymph node", "GTVn-1", "GTVnL",
        "GTV_N1_MR", "NODAL GTV", "left GTVn", "3-GTVn", "LT GTV NODE", "Gross tumour volume nodal",
    ],
    Role.TUMOUR: [
        "GTV", "GTV-1", "gtv1", "GTV_70", "GTV_L", "GTV 2", "GTV_CT", "Left GTV", "HN GTV", "Gross Tumor Volume",
        "Tumor", "tumour 1", "GTV 70Gy", "GTV_7000",
    ],
    Role.MARGIN: [
        "CTV primary", "PTVn", "CTVn", "PTV70", "CTV_High", "GTVp minus air", "GTVp+5mm", "GTV_5mm", "PGTVnx",
        "PGTVnd", "zGTVp", "CTVp1", "ITV", "GTVp_PRV", "HRCTV", "GTV-PTV", "GTVp_eval", "Node_CTV", "GTV_n_PTV",
    ],
    Role.ELECTIVE: [
        "LN_Neck_II_L", "LN II L", "Level II", "level 2 left", "Ib_R", "IIa", "Elective nodes", "elective neck",
        "Lymphatics", "Lymphabfluss", "LN_L_Ib", "Nodal level III", "Niveau IIa", "lymph node level II", "LN_2a",
        "LN_Neck_IA_L", "neck level 3", "lymphatic drainage",
    ],
    Role.ORGAN: [
        "larynx", "BODY", "Parotid_L", "SpinalCord", "Mandible", "Glnd_Submand_L", "tongue", "External",
        "Bone_Mandible", "Lens_R", "Couch", "parotis links", "Rückenmark", "Brainstem", "parotid_left",
        "A_Carotid_L", "Musc_Constrict_S", "OpticNrv_L", "Bolus",
    ],
    Role.UNCLEAR: [
        "GTV_Mass_CT", "GTV neck", "GTVp_old", "LN1", "LN", "Lesion 1", "mass", "GTV_xyz", "primary nodes",
        "GTV_test", "Tumor bed", "Metastase", "GTV mets",
        "pGTV", "nGTV", "N", "N1", "N2b", "N 2 left", "T", "P", "Smith GTVp", "old GTV",
    ],
    Role.SUM: [
        "GTVtotal", "GTV all", "GTV_sum", "total GTV",
        "GTV_NP", "GTVp+n", "GTV_PN", "GTV T+N", "GTVpn", "GTV p and n", "GTV_P&N", "GTV primary and nodes",
    ],
    Role.UNKNOWN: [
        "plan", "Structure 1", "abc", "Kontur", "", "L1", "TN", "P12",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, names in NAMES.items() for name in names])
def test_names_decide_roles(role, name):
    assert role_of(name) is role


@pytest.mark.parametrize("name", ["GTVp", "GTV-T", "GTV_LN", "gtv nodes", "PTV70", "Parotid_L", "Level II", "GTV"])
def test_case_spaces_and_width_of_letters_do_not_matter(name):
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in name)
    for other in (name.upper(), name.lower(), f"  {name} ", name.replace(" ", "_"), name.replace("_", " "), wide):
        assert role_of(other) is role_of(name), other


def roles(names, **chosen):
    return [None if role is None else role.value for role in choose_targets(names, **chosen).roles]


def test_primary_and_nodes_are_found_among_others():
    assert roles(["GTVp", "BODY", "GTVn_1", "GTVn_2", "CTVn"]) == ["GTVp", None, "GTVn", "GTVn", None]


def test_the_only_bare_gtv_is_the_primary_and_the_reader_is_told():
    choice = choose_targets(["GTV-1", "PTV70"])
    assert choice.roles == (Role.PRIMARY, None)
    assert choice.notes == ("'GTV-1' was taken for the primary tumour: it is the only gross tumour in the file.",)
    assert roles(["GTV", "GTVn"]) == ["GTVp", "GTVn"]
    # Beside a primary it is everything together, and left aside.
    assert roles(["GTV", "GTVp", "GTVn"]) == [None, "GTVp", "GTVn"]


def test_sums_are_left_aside_only_where_both_parts_are_there():
    assert roles(["GTVp+n", "GTVp", "GTVn"]) == [None, "GTVp", "GTVn"]
    with pytest.raises(WrongQuantityError, match="may be a target"):
        choose_targets(["GTVp+n", "GTVp"])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["GTV-1", "GTV-2"], "'GTV-1', 'GTV-2' are several gross tumours"),
        (["GTVp", "Lesion 2"], "'Lesion 2' may be a target"),
        (["GTVp_CT", "GTVp_MR"], "outlines of one target on several scans"),
        (["GTVp", "GTVn", "GTV_old"], "'GTV_old' may be a target"),
        (["BODY", "Parotid_L"], "it holds 'BODY', 'Parotid_L'"),
        (["LN_Neck_II_L", "CTVp"], "No name in the file says GTVp or GTVn"),
        ([], "it holds nothing"),
    ],
)
def test_what_is_not_clear_is_asked_for_with_the_names(names, words):
    with pytest.raises(WrongQuantityError, match=words) as refusal:
        choose_targets(names)
    assert "--primary NAME" in refusal.value.cure or "--primary NAME" in str(refusal.value)


def test_the_user_chooses():
    assert roles(["GTV-1", "GTV-2", "x"], primary=["gtv-1"], node=["GTV-2", "X"]) == ["GTVp", "GTVn", "GTVn"]
    # The other role stays with names that say it, and whatever is unclear is left aside.
    assert roles(["tumour A", "GTVn", "Lesion 3"], primary=["tumour A"]) == ["GTVp", "GTVn", None]
    assert roles(["GTVp", "boost"], primary=["boost"]) == [None, "GTVp"]
    with pytest.raises(UsageError, match=r"No outline is named 'GTV-3'\. The file holds 'GTV-1'"):
        choose_targets(["GTV-1"], primary=["GTV-3"])
    with pytest.raises(UsageError, match="primary tumour and node at once"):
        choose_targets(["GTV-1"], primary=["GTV-1"], node=["gtv-1"])


def test_names_reach_terminals_and_pages_as_text():
    assert plain_name("[red]GTV[/]\x1b[0m <b>&") == "(red)GTV(/) (0m (b)+"
    assert listed([f"a{n}" for n in range(30)]).endswith("'a19' and 10 more")
    assert len(plain_name("x" * 300)) == 64


@pytest.mark.parametrize("name", ["GTV Smith", "Jane Doe", "GTVp_4711", "Parotid_L Miller", "1960-01-02", ""])
def test_names_that_may_identify_somebody_are_not_told(name):
    assert safe_name(name) == "an outline"
