import pytest

from hyoid.anatomy.structures import BY_NAME, ORGANS
from hyoid.errors import UsageError
from hyoid.interfaces.installed import packages, public_models
from hyoid.interfaces.places import WEIGHTS
from hyoid.io.packages.model_package import read_manifest
from hyoid.io.packages.source_table import (
    NAMED_NOW,
    ONLY_ONE,
    Choice,
    Offer,
    Ranked,
    SourceTable,
    choose_sources,
    read_source_table,
    source_table_text,
)

SHIPPED = WEIGHTS / "sources.yaml"
A, B = Ranked(source="a", why="real patients"), Ranked(source="b", why="virtual patients")
TABLE = SourceTable({"trachea": (A, B), "tongue": (B,)})


def chosen(offers, *tables):
    return {name: choice.source for name, choice in choose_sources(offers, tables).items()}


def test_structure_by_structure_the_better_founded_source_wins():
    found = choose_sources([Offer("b", ("tongue", "trachea")), Offer("a", ("trachea",))], [TABLE])
    assert found == {
        "tongue": Choice("tongue", "b", "virtual patients"),
        "trachea": Choice("trachea", "a", "real patients", ("b",)),
    }
    assert list(found) == [s.name for s in ORGANS if s.name in found]


def test_without_the_better_one_the_next_is_used_and_what_nobody_outlines_is_not_chosen():
    assert chosen([Offer("b", ("trachea",))], TABLE) == {"trachea": "b"}
    assert chosen([], TABLE) == {}


def test_earlier_tables_count_more():
    offers = [Offer("a", ("trachea",)), Offer("b", ("trachea",))]
    assert chosen(offers, SourceTable({"trachea": (B,)}), TABLE) == {"trachea": "b"}
    assert chosen(offers, SourceTable({"tongue": (B,)}), TABLE) == {"trachea": "a"}


def test_a_source_that_was_named_for_the_run_and_that_no_table_knows_goes_before_the_tables():
    offers = [Offer("a", ("trachea",)), Offer("mine", ("trachea", "mandible"), named=True)]
    found = choose_sources(offers, [SourceTable(), SourceTable(), TABLE])
    assert (found["trachea"].source, found["trachea"].why) == ("mine", NAMED_NOW)
    assert chosen(offers, SourceTable({"trachea": (A,)}), SourceTable(), TABLE) == {"mandible": "mine", "trachea": "a"}


def test_a_source_that_was_named_keeps_the_place_of_the_table_that_knows_it():
    offers = [Offer("a", ("trachea",), named=True), Offer("b", ("trachea",), named=True)]
    assert chosen(offers, SourceTable(), SourceTable(), TABLE) == {"trachea": "a"}


def test_the_only_source_needs_no_row():
    assert choose_sources([Offer("x", ("larynx",))], [TABLE])["larynx"].why == ONLY_ONE


def test_two_sources_of_equal_rank_are_refused_by_name():
    offers = [Offer("x", ("trachea",), named=True), Offer("y", ("trachea",), named=True)]
    with pytest.raises(UsageError, match="Both 'x' and 'y' outline trachea") as caught:
        choose_sources(offers, [SourceTable(), TABLE])
    assert "use: {trachea: x}" in caught.value.cure


def test_two_sources_of_one_name_are_refused():
    with pytest.raises(UsageError, match="called 'organs'"):
        choose_sources([Offer("organs", ("tongue",)), Offer("organs", ("larynx",))], [TABLE])


def test_a_table_is_read_as_it_is_written(tmp_path):
    (tmp_path / "t.yaml").write_text(source_table_text(TABLE))
    assert read_source_table(tmp_path / "t.yaml") == TABLE
    assert source_table_text(SourceTable({"tongue": (A,), "larynx": (A,)})).count("best_first") == 1
    (tmp_path / "t.yaml").write_text("")
    assert read_source_table(tmp_path / "t.yaml") == SourceTable()


def test_a_source_is_put_first_and_the_others_keep_their_order():
    three = SourceTable({"trachea": (A, B)})
    assert [r.source for r in three.with_first("trachea", B).orders["trachea"]] == ["b", "a"]
    assert three.with_first("tongue", A).orders["tongue"] == (A,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {structures: [femur], best_first: [{source: a}]}", "no organ 'femur'"),
        ("- {structures: [gtvp], best_first: [{source: a}]}", "no organ 'gtvp'"),
        ("- {structures: [tongue], best_first: [{source: a}, {source: a}]}", "'a' twice"),
        ("- {structures: [tongue, tongue], best_first: [{source: a}]}", "two rows for tongue"),
        ("- {structures: [tongue], best: [{source: a}]}", "cannot be read"),
        ("tongue: a", "cannot be read"),
        ("3", "cannot be read"),
        ("- [", "cannot be read"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, text, said):
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_source_table(tmp_path / "t.yaml")


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_source_table(tmp_path / "none.yaml")


def test_the_shipped_table_names_sources_that_exist_and_outline_what_it_says_with_a_reason():
    public, folders = public_models(), packages()
    for structure, order in read_source_table(SHIPPED).orders.items():
        for ranked in order:
            assert ranked.why.strip()
            if ranked.source in folders:
                assert structure in read_manifest(folders[ranked.source]).supported
            else:
                assert structure in public[ranked.source].structures.values()


def test_the_shipped_table_knows_every_source_of_every_structure_so_that_ranks_never_tie():
    orders = read_source_table(SHIPPED).orders
    offered = [(name, s) for name, model in public_models().items() for s in model.structures.values() if s in BY_NAME]
    offered += [(name, s) for name in ("organs", "neck") for s in read_manifest(packages()[name]).supported]
    for source, structure in offered:
        if BY_NAME[structure] in ORGANS:
            assert source in [ranked.source for ranked in orders[structure]], (source, structure)
