"""Pages for people: commands in them are the command line's own, sentences are short, links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

import hyoid
from hyoid.interfaces.cli.main import app

ROOT = Path(hyoid.__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = {"reference/cli.md", "reference/schemas.md", "reference/recipes.md"}
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts) if DOCS.is_dir() else []
PAGES = [p for p in PAGES if p.relative_to(DOCS).as_posix() not in GENERATED]
FOR_NEWCOMERS = [p for p in PAGES if p.name == "start.md" or p.parent.name == "tutorials"]
WITH_COMMANDS = [*([ROOT / "README.md"] if (ROOT / "README.md").is_file() else []), *PAGES]
NOTES = ("ct_report", "lesion", "midrt", "petct", "phantom")
EVIDENCE = [p for p in PAGES if p.parent == DOCS and p.stem.split("-")[0] in (*NOTES, "benchmarks")]
EASE, WORDS = 50.0, 35
"""Least Flesch reading ease of a page for newcomers, and most words of a sentence there and on pages of evidence."""
ALTERNATIVES = re.compile(r"^[\w-]+(\\?\|[\w-]+)+$")

pytestmark = pytest.mark.skipif(not PAGES, reason="hyoid is installed without its documents")


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def commands_in(text):
    """Lines of code blocks and pieces of inline code that begin with `hyoid`, comments and prompts taken off."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.M | re.S)
    rest = re.sub(r"^```[^\n]*\n.*?^```", "", text, flags=re.M | re.S)
    blocks += ["\n".join(re.findall(r"^    (\S.*)$", rest, re.M))]
    for block in blocks:
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            begun = re.match(r"\s*(?:\$ )?(?:\S*/)?hyoid (?=[a-z-])(.*)", line)
            if begun and not line.lstrip().startswith(("#", "docker", "podman")):
                yield begun.group(1)
    for piece in re.findall(r"`hyoid ((?:[a-z])[^`]*)`", rest):
        yield " ".join(piece.split())


def below(place, name):
    """Find the command of a group that a word names; a group may have one that needs no word."""
    return place.commands[name if name in place.commands else getattr(place, "default", name)]


def parsed(words):
    """Find the command, and refuse every option that it does not have."""
    places = [get_command(app)]
    words = re.split(r"\s[&|>;]\s", re.sub(r"(^|\s)#.*$", "", words))[0]
    tokens = shlex.split(words.replace("\\|", "|"), posix=True)
    while tokens and all(hasattr(place, "commands") for place in places):
        asked = tokens[0].split("|") if ALTERNATIVES.match(tokens[0]) else [tokens[0]]
        if any(name.isupper() for name in asked):  # JOB, NAME: a word for any of them
            places, tokens = [below for place in places for below in place.commands.values()], tokens[1:]
            continue
        tokens = tokens[1:]
        places = [below(place, name) for place in places for name in asked]
    options = [token.split("=")[0] for token in (tokens[: tokens.index("--")] if "--" in tokens else tokens)]
    options = [option for option in options if re.match(r"--?[a-z]", option)]
    known = {
        spelling for place in places for p in getattr(place, "params", ()) for spelling in (*p.opts, *p.secondary_opts)
    }
    return [option for option in options if option not in known | {"--help", "--version"}]


def test_an_option_that_does_not_exist_is_seen():
    assert parsed("report SCAN --out result") == []
    assert parsed("report SCAN --output result   # --words") == ["--output"]
    assert parsed("models list|info NAME") == []
    assert parsed("cohort predict CASES --out study -- MODEL --fast") == []
    with pytest.raises(KeyError):
        parsed("repot SCAN")


def test_commands_are_found_in_a_page():
    block = "```bash\nhyoid report A \\\n    --out b  # c\nhyoid-env/bin/pip install x\n```\n"
    text = f"`hyoid doctor`\n\n{block}    .venv/bin/hyoid demo\n"
    assert list(commands_in(text)) == ["report A  --out b  # c", "demo", "doctor"]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_every_command_is_one_of_the_command_line(page):
    wrong = {}
    for words in commands_in(page.read_text(encoding="utf-8")):
        try:
            unknown = parsed(words)
        except KeyError as error:
            unknown = [f"no command {error}"]
        if unknown:
            wrong[words] = unknown
    assert wrong == {}


def prose(text):
    """Sentences of a page, without code, tables, headings, pictures and marks."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    rows = [row for row in text.splitlines() if not re.match(r"\s*[|#]|:::", row)]
    joined = "\n".join(re.sub(r"^\s*(?:[-*]|\d+\.)\s+", "\n\n", row) for row in rows)
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", joined) if p.strip()]
    plain = [re.sub(r"`[^`]*`", "code", p).replace("*", "") for p in paragraphs]
    return [s for p in plain for s in re.split(r"(?<=[.!?:])\s+", p) if re.search(r"[A-Za-z]", s)]


def syllables(word):
    """Groups of vowels, without a silent e."""
    word = re.sub(r"[^a-z]", "", word.lower())
    word = re.sub(r"(?<=[^aeiouyl])e$|(?<=[^aeiouytd])ed$|(?<=[^aeiouyscxz])es$", "", word)
    return max(1, len(re.findall(r"[aeiouy]+", word)))


def reading_ease(sentences):
    """Reading ease by Flesch (1948): 206.835 - 1.015 words per sentence - 84.6 syllables per word."""
    words = [w for s in sentences for w in re.findall(r"[A-Za-z][A-Za-z'-]*", s)]
    return 206.835 - 1.015 * len(words) / len(sentences) - 84.6 * sum(map(syllables, words)) / len(words)


@pytest.mark.parametrize(("word", "n"), [("the", 1), ("outline", 2), ("patient", 2), ("named", 1), ("treated", 2)])
def test_syllables(word, n):
    assert syllables(word) == n


def test_reading_ease_by_hand():
    # Three words, three syllables, one sentence: 206.835 - 3.045 - 84.6.
    assert reading_ease(["The cat sat."]) == pytest.approx(119.19)


@pytest.mark.parametrize("page", FOR_NEWCOMERS, ids=name_of)
def test_a_page_for_newcomers_is_easy_to_read(page):
    sentences = prose(page.read_text(encoding="utf-8"))
    assert len(sentences) >= 3
    assert [s for s in sentences if len(s.split()) > WORDS] == []
    assert reading_ease(sentences) >= EASE


@pytest.mark.parametrize("page", EVIDENCE, ids=name_of)
def test_sentences_of_a_page_of_evidence_are_short(page):
    assert [s for s in prose(page.read_text(encoding="utf-8")) if len(s.split()) > WORDS] == []


@pytest.mark.parametrize(
    "page", [*(p for p in PAGES if p.parent.name in ("tutorials", "how-to", "reference")), *EVIDENCE], ids=name_of
)
def test_the_first_sentence_says_what_a_page_is_for(page):
    first = prose(page.read_text(encoding="utf-8"))[0]
    assert re.match(r"This (page|tutorial) |These pages ", first), first


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_links_to_files_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = {t for t in targets if not (page.parent / t).exists()}
    assert {t for t in missing if (page.parent / t).resolve() not in {DOCS / g for g in GENERATED}} == set()
