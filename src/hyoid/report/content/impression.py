"""The impression: two to five sentences as a radiologist writes them, built from lines and lesions, saying no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from hyoid.report.content.change import volume_change
from hyoid.report.content.nodes import perhaps_a_gland
from hyoid.report.content.primary import HOW_TO_OUTLINE, cm, without_raised_uptake
from hyoid.report.content.scale import UNLIKELY_BELOW, Likelihood, Predicted, degrees_words, predicted
from hyoid.report.content.schema import Change, Conclusion, Lesion, Line, OutlineStatus
from hyoid.report.content.template import BY_KEY, Kind

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_MOST_STRUCTURES = 5
_TOLD_DEGREES = 90  # of a vessel's circumference; less is within the spread of outlines, and stands in the findings
_WHO = {
    "model": "Outlined by a model, not confirmed by a reader: ",
    "accepted": "",
    "reader": "",
}


def impression(
    lines: Mapping[str, Line],
    lesions: Sequence[Lesion],
    *,
    outlined: bool,
    outlines: OutlineStatus,
    changes: Sequence[Change] = (),
) -> tuple[Conclusion, ...]:
    """Write the impression in two to five sentences.

    Parameters
    ----------
    lines : mapping of str to Line
        Lines of the report by key.
    lesions : sequence of Lesion
        Lesions as the report lists them.
    outlined : bool
        Whether anybody outlined lesions.
    outlines : {"reader", "accepted", "model"}
        Who stands behind the outlines.
    changes : sequence of Change
        Changes against an earlier report.
    """
    if not outlined:
        return (
            Conclusion(
                words="No tumour is outlined, so location, size, extent and nodes are not assessed.",
                rests_on=("primary_location_of_the_mass", "size_of_the_mass", "number_of_nodes"),
            ),
            Conclusion(words=HOW_TO_OUTLINE),
        )
    index = next((lesion for lesion in lesions if lesion.role == "index lesion"), None)
    nodes = [lesion for lesion in lesions if lesion.role == "node"]
    sentences = [_mass(index, lines, outlines), _nodes(nodes, outlines)]
    if vessel := _vessels(lesions, lines):
        sentences.append(vessel)
    if others := _others(lesions):
        sentences.append(others)
    if changes:
        sentences.append(_change(changes))
    return tuple(sentences[:5])


def mass_words(index: Lesion, location: str) -> str:
    """Describe the index lesion in plain words: size, site and side.

    Parameters
    ----------
    index : Lesion
        The index lesion, measured.
    location : str
        Value of the location line, "Oropharynx, right side".
    """
    where, _, side = location.rpartition(", ")
    side = side.removesuffix(" side")
    size = f"{cm(index.longest_diameter_mm)} cm mass"
    if where.startswith("Next to: "):
        return f"{size} next to the {where.removeprefix('Next to: ')}, {side}"
    if where == "Site not determined":
        return f"{size}, site not determined, {side}"
    place = where[0].lower() + where[1:].partition(" (")[0]
    if side == "both sides":
        side, place = "", f"{place} on both sides"
    return f"{size} of the {f'{side} ' if side else ''}{place}"


def _mass(index: Lesion | None, lines: Mapping[str, Line], outlines: OutlineStatus) -> Conclusion:
    location = lines["primary_location_of_the_mass"]
    if index is None:
        who = "by the model" if outlines == "model" else "by the reader"
        outside = "outside the neck" in location.value
        words = (
            "The outlined primary tumour lies outside the neck and is not reported as such."
            if outside
            else f"No primary tumour is outlined {who}, which does not exclude one."
        )
        return Conclusion(words=words, rests_on=(location.key,))
    likely = _with(lines, Predicted.INVOLVEMENT, Likelihood.LIKELY)
    # What is called possible by the network's own threshold alone stands in the findings.
    possible = _with(lines, Predicted.INVOLVEMENT, Likelihood.POSSIBLE, least=UNLIKELY_BELOW)
    beside = _with(lines, Predicted.CONTACT, Likelihood.LIKELY)
    measured = [line for line in lines.values() if _is_measured_involved(line)]
    text = mass_words(index, location.value)
    crossing = lines.get("midline_crossing")
    if crossing is not None and crossing.value.startswith("Crossed") and index.side != "midline":
        text += ", crossing the midline"
    if measured:
        text += f", involving {_listed(measured)}"
    if likely:
        text += f", likely involving {_listed(likely)}"
    if beside:
        text += f", likely in contact with {_listed(beside)}"
    if possible:
        text += f"; possibly involving {_listed(possible)}"
    if index.uptake is not None:
        text += f"; SUVmax {index.uptake.suv_max:.1f}"
    keys = [location.key, "size_of_the_mass", index.name]
    keys += [line.key for line in (*measured, *likely, *beside, *possible)]
    return Conclusion(words=f"{_WHO[outlines]}{text}.", rests_on=tuple(keys))


def _nodes(nodes: Sequence[Lesion], outlines: OutlineStatus) -> Conclusion:
    if not nodes:
        who = "by the model" if outlines == "model" else "by the reader"
        return Conclusion(
            words=f"No node is outlined {who}, which does not exclude nodal disease.", rests_on=("number_of_nodes",)
        )
    in_glands = [node for node in nodes if perhaps_a_gland(node)]
    nodes = [node for node in nodes if node not in in_glands]
    inside = _number(len(in_glands))
    if not nodes:
        told = "node is outlined, inside a salivary gland" if len(in_glands) == 1 else "nodes are outlined, all inside"
        told += " salivary glands" * (len(in_glands) > 1)
        words = f"{inside[0].upper()}{inside[1:]} {told}: perhaps physiological uptake. "
        words += "Nodal disease is not excluded."
        return Conclusion(words=words, rests_on=("number_of_nodes", *(node.name for node in in_glands)))
    doubtful = f"{inside} outlined inside salivary glands may be physiological uptake" * bool(in_glands)
    counts = Counter(node.side for node in nodes)
    sides = [f"{_number(count)} {side}" for side, count in counts.items()]
    told = " and ".join([", ".join(sides[:-1]), sides[-1]] if len(sides) > 1 else sides)
    told = f"{told[0].upper()}{told[1:]} {'node' if [*counts.values()][-1] == 1 else 'nodes'}"
    largest = max(nodes, key=lambda n: n.longest_diameter_mm)
    size = f"{cm(largest.longest_diameter_mm)} cm (short axis {cm(largest.axial_short_mm)} cm), {largest.level}"
    words = f"{told}, {size}" if len(nodes) == 1 else f"{told}, the largest {size}"
    ene = next((n.extranodal_extension for n in nodes if n.extranodal_extension), "")
    words += f"; extranodal extension {ene or 'not assessed'}{f'; {doubtful}' if doubtful else ''}."
    rests_on = ("number_of_nodes", "max_size", "extranodal_extension", *(node.name for node in in_glands))
    return Conclusion(words=words, rests_on=rests_on)


def _vessels(lesions: Sequence[Lesion], lines: Mapping[str, Line]) -> Conclusion | None:
    """The greatest contact with each vessel."""
    best: dict[str, tuple[int, str, str]] = {}
    for lesion in lesions:
        for contact in lesion.contacts:
            if (
                contact.degrees is not None
                and contact.degrees >= _TOLD_DEGREES
                and contact.degrees > best.get(contact.structure, (0,))[0]
            ):
                base, _, side = contact.words.rpartition(", ")
                who = "the primary tumour" if lesion.role == "index lesion" else lesion.name
                vessel = f"the {side} {base.lower()}"
                told = f"{who} {contact.term} {vessel} ({degrees_words(contact.degrees)})"
                if contact.term in ("touches", "overlaps"):
                    told = f"{who} in contact with {vessel} as a network outlined it, encasement not told"
                best[contact.structure] = (contact.degrees, told, lesion.name)
    if not best:
        return None
    ranked = sorted(best.values(), reverse=True)
    more = len(ranked) - 2
    words = "; ".join(told for _, told, _ in ranked[:2])
    words = f"{words[0].upper()}{words[1:]}"
    words += f"; {_number(more)} more vessel contact(s)" * (more > 0)
    return Conclusion(words=f"{words}.", rests_on=("carotid_arteries_ijv", *dict.fromkeys(n for _, _, n in ranked)))


def _others(lesions: Sequence[Lesion]) -> Conclusion | None:
    """Further foci and foci outside the neck, counted and never pooled; a network's without raised uptake is none."""
    told = [lesion for lesion in lesions if not without_raised_uptake(lesion)]
    further = [lesion for lesion in told if lesion.role == "further focus"]
    outside = [lesion for lesion in told if lesion.role == "focus outside the neck"]
    if not further and not outside:
        return None
    parts = []
    if further:
        doubt = any(lesion.status == "model" and lesion.uptake is not None for lesion in further)
        parts.append(
            f"{_number(len(further))} further {'focus' if len(further) == 1 else 'foci'} in the neck"
            + " that may be physiological uptake" * doubt
        )
    if outside:
        places = ", ".join(dict.fromkeys(lesion.site for lesion in outside))
        parts.append(f"{_number(len(outside))} {'focus' if len(outside) == 1 else 'foci'} outside the neck ({places})")
    words = " and ".join(parts)
    return Conclusion(
        words=f"{words[0].upper()}{words[1:]}, listed one by one.",
        rests_on=tuple(lesion.name for lesion in (*further, *outside)),
    )


def _change(changes: Sequence[Change]) -> Conclusion:
    """What became of the primary, and how many other lesions became what."""
    told = [c.words for c in changes if c.kind == "GTVp"][:1]
    others = [c for c in changes if c.kind != "GTVp"]
    counts = Counter(
        "without counterpart before"
        if c.before_ml is None
        else "not outlined now"
        if c.after_ml is None
        else _category(c)
        for c in others
    )
    if counts:
        told.append("nodes: " + ", ".join(f"{_number(n)} {word}" for word, n in counts.items()))
    return Conclusion(
        words=f"Compared with the earlier examination: {'; '.join(told)}.",
        rests_on=tuple(c.lesion or c.prior for c in changes),
    )


def _category(change: Change) -> str:
    """The word of a change of volume, "much smaller"."""
    return volume_change(change.before_ml or 0.0, change.after_ml or 0.0)[1]


def _with(lines: Mapping[str, Line], what: Predicted, word: Likelihood, least: float = 0.0) -> list[Line]:
    found = [x for x in lines.values() if predicted(x.value) == (what, word) and (x.probability or 0.0) >= least]
    return sorted(found, key=lambda line: -(line.probability or 0.0))


def _is_measured_involved(line: Line) -> bool:
    return line.value.startswith(("Involved: ", "R - involved", "L - involved", "Both - involved"))


def _listed(lines: Sequence[Line]) -> str:
    """Structures in words, the most certain first."""
    shown = len(lines) if len(lines) <= _MOST_STRUCTURES else _MOST_STRUCTURES - 1
    words = [_place_words(line) for line in lines[:shown]]
    if len(lines) > shown:
        words.append(f"{_number(len(lines) - shown)} more")
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _place_words(line: Line) -> str:
    words = line.words.partition(" (")[0].replace("/ ", "/")
    words = f"{words[0].lower()}{words[1:]}"
    if line.key in BY_KEY and BY_KEY[line.key].kind is Kind.SIDED_INVOLVEMENT:
        side = line.value.rpartition(", ")[2]
        if side in ("left", "right"):
            words = f"{side} {words}"
    return words


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
