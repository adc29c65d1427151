"""What the name of an outline says it is: primary tumour, involved node, margin, elective level, organ, or nothing.

Names of regions follow no rule: the same `GTV` is a primary in one hospital and everything together in another. A
name gives a role only where clinics agree on it; whatever may be a target and does not say which is `UNCLEAR`, and the
user is asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hyoid.anatomy.structures import STRUCTURES
from hyoid.errors import UsageError, WrongQuantityError


class Role(StrEnum):
    """What a name says of an outline."""

    PRIMARY = "GTVp"
    NODE = "GTVn"
    TUMOUR = "gross tumour"
    SUM = "primary tumour and nodes together"
    UNCLEAR = "unclear target"
    MARGIN = "margin"
    ELECTIVE = "elective"
    ORGAN = "organ"
    UNKNOWN = "unknown"


_SIDE = (
    r"(l|r|li|re|lt|rt|left|right|links|rechts|ipsi|contra|ipsilateral|contralateral|izq|izquierda|derecha|der|gauche|"
    r"droite|g|d|dx|sx)"
)
_SCAN = r"(ct|mr|mri|mrt|irm|rm|pet|pt|tep|petct)"
_DOSE = r"(\d{2}([.,]\d)?(gy)?|\d{4}(cgy)?)"
_NODE_WORD = (
    r"(n|nd|ln|lk|lnn|lns|nn|node|nodes|nodal|nod|ganglion|ganglions|ganglionnaire|ganglio|ganglios|ganglionar|adp|"
    r"adenopathie|adenopathies|adenopatia|adenopatias|lymph|lymphnode|lymphnodes|lymphknoten|lymphadenopathy|rp|rpn|rpln|"
    r"linfonodo|linfonodi|linfonodale|klier|klieren|conglomerate|bulk)"
)
_GROSS_NODE = (
    r"(node|nodes|nodal|lymphnode|lymphnodes|lymphknoten|lymphadenopathy|ganglion|ganglions|ganglio|ganglios|adenopathie|"
    r"adenopathies|adenopatia|adenopatias|linfonodo|linfonodi|klier|klieren)"
)
_PRIMARY_WORD = (
    r"(p|t|pt|tumoral|prim|primary|primaer|primar|primario|primaria|primitif|primitive|primair|tumor|tumour|tumeur|tumore|"
    r"primarytumor|primarytumour|primaertumor|primartumor|primarius)"
)
# Where a primary of the head and neck sits; beside GTV such a word is its site.
_SITE = (
    r"(nx|npc|nasopharynx|nasoph\w*|rhinopharynx|cavum|epipharynx|oropharynx|oroph\w*|opx|hypopharynx|hypoph\w*|hpx|"
    r"larynx|laryn\w*|laringe|glottis|glottic|supraglottis|supraglottic|subglottis|kehlkopf|tongue|bot|zunge|"
    r"zungengrund|zungenrand|langue|lengua|lingua|tonsil|tonsille|tonsila|amygdale|amigdala|oral|mouth|fom|mundboden|"
    r"mundhohle|mundhoehle|palate|gaumen|palatum|buccal|bucca|wange|gum|gingiva|lip|lippe|sinus|maxilla|maxillary|"
    r"ethmoid|nasal|nose|nase|vestibule|pyriform|piriform|retromolar|uvula|pharynx|rachen|parotid|salivary|oesophagus|"
    r"esophagus)"
)
_MARGIN = re.compile(
    r".*(ctv|ptv|itv|hrv|pgtv|pctv|prv|margin|expan|ring|minus|dose|iso|shell|avoid|spare|sparing|saum|marge|margen|"
    r"boost|eval|dvh|\bopti?\b|optimi|\bcrop\w*|\bsub\b|\bair\b|\d+ ?mm).*"
)
# PGTV is a planning volume; with a small p as often the gross volume of the primary.
_PRIMARY_OR_PLANNED = re.compile(r"pGTV.*")
# Sites of disease as staging calls these: N1, N2b, T, P.
_STAGED = re.compile(r"[tnp]( ?\d[abc]?)?")
_HELP = re.compile(r"(z|x|zz|dnu|do not use).*gtv.*")
_SUM = re.compile(
    r"(total|tot|all|sum|summe|gesamt|complete|union|combined|both|comb|full|whole|ganz)|.*(\+|&|\band\b|\bund\b|\bet\b|\by\b).*"
)
_OLD = re.compile(r"(old|alt|copy|kopie|test|draft|temp|tmp|backup|bak|wrong|prev|previous|orig|original|v\d+)")
_LEVEL = re.compile(r"(level|levels|niveau|niveaux|nivel|niveles|livello|livelli|lvl|stufe|region|regio|area)")
_ROMAN = re.compile(r"(i{1,3}|iv|v|vi{1,3}|ix|x)([ab]|c)?|[1-7][abc]")
_ELECTIVE = re.compile(
    r".*(elective|elektiv|electif|electivo|elettiv|prophyla|lymphatic|lymphabfluss|lymphweg|drainage|drenaje|adjuvant|"
    r"uninvolved|lowrisk|low risk|highrisk neck|neck dissection).*"
)
_ORGAN_WORDS = set(
    re.findall(
        r"\w+",
        """
    parotid parotis parotide parotida submand submandibular submandibularis sublingual mandible mandibula unterkiefer
    mandibule cord spinalcord myelon rueckenmark ruckenmark moelle medula medulla brainstem hirnstamm tronc tronco brain
    gehirn cerveau cerebro larynx kehlkopf esophagus oesophagus speiserohre trachea luftrohre thyroid schilddruse
    tiroides
    tongue pharynx constrictor constrict oral cavity lips lip lens linse eye auge globe optic chiasm chiasma nerve nrv
    cochlea ear lacrimal hippocampus temporal lobe carotid jugular artery vein body external skin haut piel couch table
    tisch bolus mask artefact artifact dental teeth tooth zahne lung lunge heart cricoid hyoid cartilage bone vertebra
    brachial plexus pituitary hypophyse masseter pterygoid muscle musc glnd gland buccal mucosa palate patient contour
    outline spinalcanal canal retina humeral shoulder stomach trapezius sternocleidomastoid scm epiglottis glottis
    supraglottic tmj joint marker fiducial isocenter reference ref point poi
    """,
    )
) | {word for s in STRUCTURES if s.label < 100 for word in s.name.split("_") if len(word) > 4}  # fmt: skip
_TARGET_HINT = re.compile(
    r".*(gtv|tumou?r|tumeur|tumore|lesion|laesion|lasion|mass|masse|raumforderung|metasta|cancer|carcinom|krebs|node|nodal|lymph|ganglio|gross|primar|\bln\d*\b|\blk\d*\b|\badp\b).*"
)


def role_of(name: str) -> Role:
    """Find the role that the name of an outline gives it.

    Case, accents, punctuation and camel case do not matter.

    Parameters
    ----------
    name : str
        ROIName, SegmentLabel or label name.

    Returns
    -------
    Role
        PRIMARY or NODE where clinics agree; TUMOUR for a bare GTV, which is the primary if nothing else is; UNCLEAR for
        a name that may be a target; SUM for both targets in one; MARGIN for CTV, PTV and what is made from a target;
        ELECTIVE for levels; ORGAN.

    Examples
    --------
    >>> [role_of(n).value for n in ("GTV-T", "GTVn2 left", "GTV_NPC", "GTV-1", "PTV70", "LN_Neck_II_L")]
    ['GTVp', 'GTVn', 'GTVp', 'gross tumour', 'margin', 'elective']
    """
    words = _words(name)
    plain = " ".join(words)
    if _PRIMARY_OR_PLANNED.fullmatch(name.strip()):
        return Role.UNCLEAR
    if _MARGIN.fullmatch(plain) or _HELP.fullmatch(plain):
        return Role.MARGIN
    if words.count("gtv") == 1:
        return _gross_tumour(_meaning([word for word in words if word != "gtv"]))
    if _ELECTIVE.fullmatch(plain) or _is_level(words):
        return Role.ELECTIVE
    found = Role.UNKNOWN if "gtv" in plain else _without_gtv(words, plain)
    return Role.UNCLEAR if found is Role.UNKNOWN and _TARGET_HINT.fullmatch(plain) else found


@dataclass(frozen=True)
class Choice:
    """Which outlines are targets.

    Parameters
    ----------
    roles : tuple of Role or None
        PRIMARY, NODE or None for every name, in order.
    notes : tuple of str
        What was taken to be something by convention rather than by its name.
    """

    roles: tuple[Role | None, ...]
    notes: tuple[str, ...] = ()


def choose_targets(names: Sequence[str], primary: Iterable[str] = (), node: Iterable[str] = ()) -> Choice:
    """Decide which of the outlines in a file are the primary tumour and which are involved nodes.

    Parameters
    ----------
    names : sequence of str
        Of outlines that hold something.
    primary, node : iterables of str
        Names that the user gave; where there are any, names that do not say their role are left aside.

    Raises
    ------
    UsageError
        When a name that the user gave is not in the file, or has both roles.
    WrongQuantityError
        When no name says a target, or a name may be a target and does not say which; the message lists the names.
    """
    chosen = {Role.PRIMARY: [_key(n) for n in primary], Role.NODE: [_key(n) for n in node]}
    given = [*chosen[Role.PRIMARY], *chosen[Role.NODE]]
    keys = [_key(name) for name in names]
    if missing := [n for n in (*primary, *node) if _key(n) not in keys]:
        raise UsageError(f"No outline is named {listed(missing)}.", f"The file holds {listed(names)}.")
    if both := set(chosen[Role.PRIMARY]) & set(chosen[Role.NODE]):
        raise UsageError(f"{listed(sorted(both))} cannot be primary tumour and node at once.", "Give each name once.")
    by_user = {key: role for role, found in chosen.items() for key in found}
    said = [role_of(name) for name in names]
    roles: list[Role | None] = []
    for key, role in zip(keys, said, strict=True):
        automatic = role if role in (Role.PRIMARY, Role.NODE) and not chosen[role] else None
        roles.append(by_user.get(key, automatic))
    if given:
        return Choice(tuple(roles))
    notes = _settle_bare_gtv(names, said, roles)
    _refuse_versions(names, roles)
    # A sum says nothing new where both of its parts are there.
    asked = {Role.UNCLEAR} if {Role.PRIMARY, Role.NODE} <= set(roles) else {Role.UNCLEAR, Role.SUM}
    unclear = [name for name, role in zip(names, said, strict=True) if role in asked]
    if unclear:
        raise WrongQuantityError(
            f"{listed(unclear)} may be a target, and the name does not say whether primary tumour or node.",
            f"Say which with --primary NAME and --node NAME. The file holds {listed(names)}.",
        )
    if not any(roles):
        raise WrongQuantityError(
            f"No name in the file says GTVp or GTVn: it holds {listed(names) or 'nothing'}.",
            "Name the primary tumour with --primary NAME and nodes with --node NAME.",
        )
    return Choice(tuple(roles), notes)


def listed(names: Iterable[str], most: int = 20) -> str:
    """Write the names for a message, without control characters or markup, each at most 64 characters.

    Examples
    --------
    >>> listed(["GTV 1", "a[/b]\\n"]), listed(["a"] * 3, most=2)
    ("'GTV 1', 'a(/b)'", "'a', 'a' and 1 more")
    """
    shown = [f"'{plain_name(name)}'" for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")


def plain_name(name: str) -> str:
    """Name of an outline as text that no terminal, page or header can take for markup."""
    printable = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(printable.translate(str.maketrans("[]<>&", "()()+")).split())[:64]


def safe_name(name: str) -> str:
    """Name as it may stand in a report or log: names made of field's words stay, any other may identify somebody.

    Examples
    --------
    >>> safe_name("GTVn 2"), safe_name("Parotid_L"), safe_name("GTV Smith")
    ("'GTVn 2'", "'Parotid_L'", 'an outline')
    """
    words = _words(name)
    known = role_of(name) in (Role.PRIMARY, Role.NODE, Role.TUMOUR) or (words and set(_meaning(words)) <= _ORGAN_WORDS)
    # Longer numbers may be those of patients, or dates.
    return f"'{plain_name(name)}'" if known and not re.search(r"\d{3}", name) else "an outline"


def _key(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _words(name: str) -> list[str]:
    """Words and numbers of a name: no accents, no case, letters and digits apart, `gtv` a word of its own."""
    text = unicodedata.normalize("NFKC", name).replace("ß", "ss")
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower()
    text = re.sub(r"[^a-z0-9.+&]+", " ", text)
    text = re.sub(r"\b(ctv|ptv|itv|pgtv)(?=[a-z])", r"\1 ", text)
    text = re.sub(r"\bgross tumou?r volume\b", "gtv", text)
    text = re.sub(r"\b(gtv)(?=[a-z0-9])", r"\1 ", text)
    text = re.sub(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])", " ", text)
    # Levels such as 2a stay one word, and so do doses such as 70gy.
    text = re.sub(r"\b(\d) ([abc])\b", r"\1\2", text)
    return text.replace("+", " + ").replace("&", " & ").split()


def _meaning(words: list[str]) -> list[str]:
    """Words without sides, scans, doses and numbers."""
    idle = re.compile(rf"{_SIDE}|{_SCAN}|{_DOSE}|\d+|gy|cgy|the|of|du|de|des|la|le|der|des|hno|hn|h|\.")
    return [word for word in words if not idle.fullmatch(word)]


def _gross_tumour(rest: list[str]) -> Role:
    """Role of a GTV by the words behind it."""
    if any(_SUM.fullmatch(word) for word in rest):
        return Role.SUM
    nodal = [bool(re.fullmatch(_NODE_WORD, w) or re.fullmatch(r"n(rp|l|r|d)?", w)) for w in rest]
    primary = [bool(re.fullmatch(_PRIMARY_WORD, w) or re.fullmatch(r"p[lr]?|t[lr]?", w)) for w in rest]
    site = [bool(re.fullmatch(_SITE, w)) for w in rest]
    level = [bool(_ROMAN.fullmatch(w) or _LEVEL.fullmatch(w)) for w in rest]
    neck = [w in ("neck", "hals", "cou", "cervical", "cavity", "base", "primary") for w in rest]
    known = [any(flags) for flags in zip(nodal, primary, site, level, neck, strict=True)]
    if (any(nodal) and (any(primary) or any(site))) or rest in (["pn"], ["tn"], ["np"]):
        return Role.SUM
    if any(_OLD.fullmatch(word) for word in rest) or not all(known):
        return Role.UNCLEAR
    if any(nodal):
        return Role.NODE
    if (any(primary) or any(site)) and not any(level):
        return Role.PRIMARY
    return Role.UNCLEAR if rest else Role.TUMOUR


def _without_gtv(words: list[str], plain: str) -> Role:
    """Role of a name without GTV that is no level."""
    meant = _meaning(words)
    if _is_gross_node(meant):
        return Role.NODE
    if _is_primary(meant):
        return Role.PRIMARY
    if set(words) & _ORGAN_WORDS and not re.search("tumou?r|tumeur|lesion|primar|node", plain):
        return Role.ORGAN
    bare = meant and all(re.fullmatch(r"gross|tumou?r|tumeur|tumore", word) for word in meant)
    if bare and "tum" in plain:
        return Role.TUMOUR
    alone = " ".join(word for word in words if not re.fullmatch(_SIDE, word))
    return Role.UNCLEAR if _STAGED.fullmatch(alone) else Role.UNKNOWN


def _is_level(words: list[str]) -> bool:
    """Whether a name without GTV is that of a nodal level or of all lymphatics."""
    meant = [word for word in words if not re.fullmatch(_SIDE, word)]
    nodal = any(
        re.fullmatch(r"(ln|lns|lnn|lk|lymph\w*|nodal|node|nodes|neck|hals|cervical|ganglion\w*)", w) for w in meant
    )
    level = any(_LEVEL.fullmatch(w) or _ROMAN.fullmatch(w) for w in meant)
    number = any(w.isdigit() for w in meant)
    named = any(_LEVEL.fullmatch(w) for w in meant)
    only = all(_ROMAN.fullmatch(w) or _LEVEL.fullmatch(w) or w.isdigit() for w in meant)
    if meant[:2] == ["ln", "neck"] or _names_lymphatics(meant):
        return True
    return bool(meant) and ((nodal and level) or (named and (number or level)) or (only and level))


def _names_lymphatics(words: list[str]) -> bool:
    """Whether the words name lymphatics as a whole, which nobody draws tightly around involved nodes."""
    return any(re.fullmatch(r"(lymphatics?|lymphabfluss\w*|lymphwege?|lymphsystem)", word) for word in words)


def _is_gross_node(words: list[str]) -> bool:
    """Whether words without GTV name involved nodes: `node`, `lymph node`, `involved LN`, but not lymphatics."""
    if not words or not any(re.fullmatch(_GROSS_NODE, w) for w in words):
        return False
    return all(
        re.fullmatch(rf"{_GROSS_NODE}|lymph|gross|involved|positive|pathologic(al)?|befallen\w*|met|mets|metastasis", w)
        for w in words
    )


def _is_primary(words: list[str]) -> bool:
    """Whether words without GTV name a primary: `primary tumour`, `tumeur primitive`."""
    if not any(
        re.fullmatch(r"prim(ary|aer|ar|ario|aria|itif|itive|air|arius)|primarytumou?r|prima?e?rtumor", w) for w in words
    ):
        return False
    return all(re.fullmatch(rf"{_PRIMARY_WORD}|{_SITE}|gross|lesion|mass|gross", w) for w in words)


def _settle_bare_gtv(names: Sequence[str], said: list[Role], roles: list[Role | None]) -> tuple[str, ...]:
    """Take the only bare GTV for the primary, in place; leave it aside where a primary says so itself."""
    bare = [i for i, role in enumerate(said) if role is Role.TUMOUR]
    if not bare or Role.PRIMARY in roles:
        return ()
    if len(bare) > 1:
        raise WrongQuantityError(
            f"{listed(names[i] for i in bare)} are several gross tumours; no name says which is the primary.",
            f"Say which with --primary NAME and --node NAME. The file holds {listed(names)}.",
        )
    roles[bare[0]] = Role.PRIMARY
    return (
        f"'{plain_name(names[bare[0]])}' was taken for the primary tumour: it is the only gross tumour in the file.",
    )


def _refuse_versions(names: Sequence[str], roles: Sequence[Role | None]) -> None:
    """Refuse two outlines of one target on different scans: which of them counts is the reader's to say.

    Raises
    ------
    WrongQuantityError
        Naming both.
    """
    for role in (Role.PRIMARY, Role.NODE):
        mine = [name for name, its in zip(names, roles, strict=True) if its is role]
        scans = {frozenset(w for w in _words(name) if re.fullmatch(_SCAN, w)) for name in mine}
        stems = {" ".join(w for w in _words(name) if not re.fullmatch(_SCAN, w)) for name in mine}
        if len(scans) > 1 and len(stems) < len(mine):
            raise WrongQuantityError(
                f"{listed(mine)} are outlines of one target on several scans.",
                f"Say which counts with --{'primary' if role is Role.PRIMARY else 'node'} NAME.",
            )
