"""The text of CARD.md: the sections that every card has, around what one kind of package was measured to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hyoid.io.packages.model_package import VIRTUAL_ONLY, Manifest

RESEARCH = "Research use only. Not a medical device."
TRAINING, MEASURED, FAILS, MADE = "Training data", "Measured", "Where it fails", "Made by"
GENERATED = (TRAINING, MEASURED)
"""Sections that a measurement writes anew; all others are a person's and are kept."""


def card_page(
    manifest: Manifest, measured: Sequence[str], limits: Sequence[str], kept: Mapping[str, str] | None = None
) -> str:
    """Write CARD.md: what the package does, who taught it, what was measured, where it fails, how it was made.

    Parameters
    ----------
    manifest : Manifest
        Of the package, with everything that was measured.
    measured : sequence of str
        Paragraphs and tables (Markdown) of the section on the measurement.
    limits : sequence of str
        Sentences on where the package fails; used where no person wrote that section.
    kept : mapping of str to str, optional
        Sections of an earlier card by title, as `written_sections` finds them.
    """
    written = {FAILS: "\n\n".join(f"- {limit}" for limit in limits), MADE: made_by(manifest)} | dict(kept or {})
    parts = [
        f"# {manifest.name} {manifest.version}",
        manifest.words.strip(),
        RESEARCH,
        f"## {TRAINING}",
        f"{manifest.training_data.strip().rstrip('.')}. {teachers(manifest)}Licence of the weights: "
        f"{manifest.licence}.",
        f"## {MEASURED}",
        *measured,
    ]
    for title, text in written.items():
        parts += [f"## {title}", text]
    return "\n\n".join(part for part in parts if part) + "\n"


def teachers(manifest: Manifest) -> str:
    """Say that no real patient taught a package, where that is so; ends with a space, or is empty.

    Parameters
    ----------
    manifest : Manifest
        Of the package.
    """
    alone = {manifest.learned_from.words(name) for name in manifest.supported} == {VIRTUAL_ONLY}
    return f"Taught by {VIRTUAL_ONLY}. " if alone else ""


def made_by(manifest: Manifest) -> str:
    """Say how the weights can be made again, for a card in which no person wrote that.

    Parameters
    ----------
    manifest : Manifest
        Of the package, with its recipe.
    """
    return (
        f"`hyoid train` with the recipe in `manifest.yaml` (seed {manifest.recipe.get('seed')}). "
        "Same seed, same patches; the sums of a CPU differ in the last digits with the number of threads, so weights "
        "agree closely, not to the bit."
    )


def written_sections(card: str) -> dict[str, str]:
    """Find the sections of a card that a person wrote, by title, so that a new measurement does not lose them.

    Parameters
    ----------
    card : str
        Text of CARD.md.

    Examples
    --------
    >>> written_sections("# a 1\\n\\n## Measured\\n\\n0.5\\n\\n## Where it fails\\n\\n- at night\\n")
    {'Where it fails': '- at night'}
    """
    sections = {}
    for block in ("\n" + card).split("\n## ")[1:]:
        title, _, text = block.partition("\n")
        if title.strip() not in GENERATED:
            sections[title.strip()] = text.strip()
    return sections
