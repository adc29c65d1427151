"""Words of free text for the lines of the template: one table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from hyoid.anatomy.structures import Side


@dataclass(frozen=True)
class Term:
    """Words for one place.

    Parameters
    ----------
    pattern : str
        Regular expression over the plain sentence, without word borders at its ends.
    keys : tuple of str
        Lines of the template that it fills. Several keys are a region: "the larynx is normal" speaks for all of them,
        "a mass in the larynx" for none.
    site : str
        As the location of a mass is written; empty where no mass is said to arise.
    """

    pattern: str
    keys: tuple[str, ...]
    site: str = ""

    @property
    def is_region(self) -> bool:
        """Whether the words stand for several lines."""
        return len(self.keys) > 1


_LARYNX = (
    "epiglottis", "false_cords", "aryepiglottic_folds", "arytenoid_cartilages", "preepiglottic_space",
    "paraglottic_space", "vestibule", "true_vocal_cords", "anterior_commissure", "posterior_commissure", "subglottis",
)  # fmt: skip
_ORAL = ("lip", "buccal_mucosa_and_gingiva", "retromolar_trigone", "floor_of_mouth", "oral_tongue")
_OF = r"of (?:the )?(?:right |left )?"

TERMS: tuple[Term, ...] = (
    Term(r"(?:upper |lower )?lips?", ("lip",), "Lip"),
    Term(
        r"buccal mucosa|gingiv\w*|gingivo-?buccal \w+|alveolar (?:ridge|mucosa)|gums?|gb sulcus",
        ("buccal_mucosa_and_gingiva",),
        "Buccal mucosa and gingiva",
    ),
    Term(r"retro-? ?molar(?: trigone| region| area| triangle)?|rmt", ("retromolar_trigone",), "Retromolar trigone"),
    Term(rf"floor {_OF}(?:the )?(?:mouth|oral cavity)|fom", ("floor_of_mouth",), "Floor of the mouth"),
    Term(
        rf"oral tongue|mobile tongue|anterior (?:two[- ]thirds?|2/3(?:rds?)?) {_OF}tongue|(?:lateral |ventral )?"
        rf"(?:border|margin|tip|dorsum|undersurface) {_OF}tongue|lateral tongue|(?:lateral )?tongue border",
        ("oral_tongue",),
        "Oral tongue",
    ),
    Term(
        rf"bases? {_OF}tongue|tongue[- ]bases?|base tongue|bot|posterior (?:one[- ]third|1/3(?:rd)?|third) {_OF}tongue|"
        r"lingual tonsils?",
        ("base_of_tongue",),
        "Base of tongue",
    ),
    Term(
        r"(?:(?:palatine|faucial) )?tonsil(?:s|lar(?: (?:fossae?|pillars?|bed|region|loge))?| fossae?| bed)?|"
        r"(?:faucial|tonsillar|palatoglossal|palatopharyngeal) (?:pillars?|arch(?:es)?)",
        ("tonsil",),
        "Tonsil",
    ),
    Term(r"vallecul(?:a|ae|as|ar)", ("valleculae",), "Valleculae"),
    Term(r"soft palate|uvula|velum", ("soft_palate",), "Soft palate"),
    Term(r"epiglott(?:is|ic)", ("epiglottis",), "Epiglottis"),
    Term(
        r"false (?:vocal )?(?:cords?|folds?)|false(?= and true (?:vocal )?(?:cords?|folds?))|"
        r"ventricular (?:bands?|folds?)|vestibular folds?",
        ("false_cords",),
        "False cords",
    ),
    Term(r"ary-? ?epiglottic(?: folds?)?|a-?e folds?", ("aryepiglottic_folds",), "Aryepiglottic folds"),
    Term(r"arytenoids?(?: cartilages?)?", ("arytenoid_cartilages",), "Arytenoid cartilages"),
    Term(r"pre-? ?epiglottic(?: space| fat| region)*", ("preepiglottic_space",)),
    Term(r"para-? ?glottic(?: spaces?| fat| region)*|paralaryngeal (?:space|fat)", ("paraglottic_space",)),
    Term(r"(?:laryngeal )?vestibule", ("vestibule",), "Vestibule"),
    Term(
        r"(?:true )?vocal (?:cords?|folds?)|true(?= and false (?:vocal )?(?:cords?|folds?))|true cords?|tvcs?",
        ("true_vocal_cords",),
        "True vocal cords",
    ),
    Term(r"anterior commissure", ("anterior_commissure",), "Anterior commissure"),
    Term(
        r"posterior commissure|inter-?arytenoid(?: region| space| area| notch)?",
        ("posterior_commissure",),
        "Posterior commissure",
    ),
    Term(r"(?:infra|sub)-? ?glott(?:is|ic)(?! airway)(?: region| larynx| space)?", ("subglottis",), "Subglottis"),
    Term(
        r"(?:\w+glottic |laryngeal |pharyngeal )?(?:airways?|air ?column)|glottic chink|laryngeal lumen",
        ("airway_compromise",),
    ),
    Term(r"endotracheal tube|et[- ]tube|ett", ("et_tube_in_situ",)),
    Term(
        r"thyroid (?:cartilages?|lamina\w*|ala\w*)|thyroid(?=(?:,| and|/| or)[^.;]{0,30}cartilages)",
        ("thyroid_cartilage",),
    ),
    Term(r"cricoids?(?: cartilages?| ring| lamina)?", ("cricoid_cartilage",)),
    Term(r"(?:cervical |upper |proximal )*o?esophag(?:us|eal)(?: inlet| verge| wall)?", ("esophagus",), "Esophagus"),
    Term(
        r"pre-? ?vertebral(?: (?:fat(?: (?:space|plane|stripe))?|space|fascia|muscles?|musculature|region|"
        r"soft tissues?))?",
        ("prevertebral_space",),
    ),
    Term(r"p[iy]riform (?:sinus(?:es)?|fossae?|recess(?:es)?)|p[iy]riforms|pfs", ("pyriform_sinus",), "Pyriform sinus"),
    Term(
        r"post-? ?cricoid(?: region| area| space| mucosa| hypopharynx)?",
        ("post_cricoid_region",),
        "Post-cricoid region",
    ),
    Term(r"tracheal (?:cartilages?|rings?|wall)|trachea", ("tracheal_cartilages",)),
    Term(
        r"strap muscles?(?: (?:and|/|or) (?:the )?thyroid gland)?|(?:infrahyoid|sternothyroid|sternohyoid|"
        r"thyrohyoid|omohyoid)"
        r"(?: strap)? muscles?|thyroid (?:glands?|lobes?|isthmus|parenchyma)|lobes? of (?:the )?thyroid|"
        r"thyroid(?! (?:notch|bed|eminence))",
        ("strap_muscles_thyroid_gland",),
    ),
    Term(
        r"(?:common |internal |external )*carotids?(?: (?:arter(?:y|ies)|sheaths?|spaces?|vessels?|bifurcation|"
        r"bulb))?|[iec]cas?|"
        r"(?:internal )?jugular veins?|internal jugulars?|ijvs?|(?:great|major|neck|cervical|carotid) vessels|vessels?",
        ("carotid_arteries_ijv",),
    ),
    Term(r"para-? ?pharyngeal(?: spaces?| fat| fat planes?)?|pps", ("parapharyngeal_space",)),
    Term(
        r"(?:(?:medial|lateral) )?pterygoid (?:muscles?|musculature)|pterygoids|(?:medial|lateral) pterygoid",
        ("pterygoid_muscles",),
    ),
    Term(r"skull[- ]base|base of (?:the )?skull|clivus", ("skull_base",)),
    Term(r"orbits?|(?:intra-?)?orbital(?: (?:fat|apex|floor|wall))?", ("orbit",)),
    Term(r"parotids?(?: (?:salivary )?glands?| spaces?)?", ("parotid_gland",), "Parotid gland"),
    Term(
        r"submandibular (?:salivary )?glands?|submandibular(?=(?:,| and|/| or)[^.;]{0,30}glands)|smgs?",
        ("submandibular_gland",),
        "Submandibular gland",
    ),
    Term(
        r"cranial nerves?|peri-?neural (?:tumou?r )?(?:spread|extension|invasion|involvement|disease)",
        ("cranial_nerves",),
    ),
    Term(
        r"intra-? ?cranial(?: (?:extension|spread|invasion|involvement|component|contents|structures|"
        r"compartment))?|cavernous sinus(?:es)?",
        ("intracranial_extension",),
    ),
    Term(
        r"(?:extra|peri)-? ?nodal (?:tumou?r )?(?:extension|spread|disease|infiltration)|"
        r"extra-? ?capsular (?:extension|spread)|ene|ecs",
        ("extranodal_extension",),
    ),
    # Regions.
    Term(r"oral cavity", _ORAL, "Oral cavity"),
    Term(r"oro-?pharyn(?:x|geal)", ("base_of_tongue", "tonsil", "valleculae", "soft_palate"), "Oropharynx"),
    Term(r"hypo-?pharyn(?:x|geal)", ("pyriform_sinus", "post_cricoid_region"), "Hypopharynx"),
    Term(r"(?:endo)?laryn(?:x|geal)", _LARYNX, "Larynx"),
    Term(
        r"supra-?glott(?:is|ic)(?: larynx)?",
        ("epiglottis", "false_cords", "aryepiglottic_folds", "vestibule"),
        "Supraglottis",
    ),
    Term(r"glott(?:is|ic)(?: larynx)?", ("true_vocal_cords", "anterior_commissure", "posterior_commissure"), "Glottis"),
    Term(r"(?:major )?salivary glands", ("parotid_gland", "submandibular_gland")),
    Term(
        r"(?:laryngeal )?cartilag(?:e|es|inous framework)|laryngeal framework",
        ("thyroid_cartilage", "cricoid_cartilage", "arytenoid_cartilages"),
    ),
    # Places the template has no line for; named, so that longer words are not read as shorter ones.
    Term(r"naso-?pharyn(?:x|geal)|adenoids?", (), "Nasopharynx"),
    Term(r"tongue", (), "Tongue"),
    Term(r"hard palate", (), "Hard palate"),
    Term(
        r"(?:right |left )?(?:lateral |posterior )(?:and (?:lateral |posterior ))?(?:oro-?|hypo-?|"
        r"naso-?)?pharyngeal walls?|(?:oro-?|hypo-?|naso-?)pharynx (?:posterior|lateral) walls?",
        (),
        "Pharyngeal wall",
    ),
    Term(
        r"nasal (?:cavity|cavities|vestibule)|paranasal sinus(?:es)?|(?:maxillary|sphenoid|frontal|ethmoid\w*|"
        r"sigmoid) sinus(?:es)?",
        (),
    ),
    Term(
        r"mandible|maxillae?|hyoid(?: bone)?|pterygoid plates?|pterygo-?palatine fossa|jugular foramen|sternum|"
        r"clavicles?",
        (),
    ),
    Term(r"(?:median |lateral )?glosso-?epiglottic folds?|pharyngo-?epiglottic folds?", ()),
    Term(
        r"masticator spaces?|infra-?temporal (?:fossa|neck spaces?)|buccal space|sublingual space|"
        r"submandibular(?: space| region)?|retropharyngeal(?: space)?",
        (),
    ),
    Term(
        r"tracheostomy(?: tube)?|naso-?gastric tube|jugular (?:chain|nodes?)|carotid (?:nodes?|chain)|para-?tracheal",
        (),
    ),
    Term(r"intra-?parotid|parotid (?:nodes?|nodal)|submandibular (?:nodes?|nodal|lymph)|thyroid (?:nodules?)", ()),
    Term(
        r"vocal cord (?:palsy|paralysis|paresis|mobility)|thyroid nodules?|vertebral (?:arter\w+|bod\w+)|"
        r"lingual (?:arter\w+|vessels?)",
        (),
    ),
)

NODE_WORDS = (
    r"(?:lymph ?nodes?|lymph ?nodal|nodes?|nodal|(?:lymph)?adenopathy|lymph ?adenopathies|lad|lns?|adenopathies)"
)
MASS_WORDS = (
    r"(?:mass(?:es)?|lesions?|tumou?rs?|growths?|neoplasms?|carcinomas?|cancers?|malignanc(?:y|ies)|scc|"
    r"(?:soft[- ]tissue )?thickening|primary|ca)"
)

_SIDE = re.compile(r"\b(right|left|bilateral(?:ly)?|both)\b")


@dataclass(frozen=True)
class Mention:
    """A place named in a sentence.

    Parameters
    ----------
    term : Term
    start, end : int
        Characters of the plain sentence.
    """

    term: Term
    start: int
    end: int


@cache
def _compiled() -> tuple[tuple[Term, re.Pattern[str]], ...]:
    return tuple((term, re.compile(rf"(?<![\w]){'(?:' + term.pattern + ')'}(?![\w])")) for term in TERMS)


def mentions_in(words: str) -> tuple[Mention, ...]:
    """Places named in a plain sentence, in order; of overlapping words the longer count.

    Parameters
    ----------
    words : str

    Examples
    --------
    >>> [mention.term.keys for mention in mentions_in("pre-epiglottic space and right tonsil")]
    [('preepiglottic_space',), ('tonsil',)]
    """
    found = [Mention(term, m.start(), m.end()) for term, pattern in _compiled() for m in pattern.finditer(words)]
    kept: list[Mention] = []
    for mention in sorted(found, key=lambda m: (m.start - m.end, m.start)):
        if all(mention.end <= other.start or mention.start >= other.end for other in kept):
            kept.append(mention)
    return tuple(sorted(kept, key=lambda m: m.start))


def sides_in(words: str) -> frozenset[Side]:
    """Sides named in a stretch of plain words; "both" and "bilateral" are two.

    Examples
    --------
    >>> sorted(sides_in("bilateral"))
    [<Side.LEFT: 'left'>, <Side.RIGHT: 'right'>]
    """
    sides: set[Side] = set()
    for word in _SIDE.findall(words):
        sides |= {Side(word)} if word in ("right", "left") else {Side.RIGHT, Side.LEFT}
    return frozenset(sides)
