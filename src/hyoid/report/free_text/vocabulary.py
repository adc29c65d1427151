"""Words of free text for the lines of the template: one table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

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
        Words for the location of a mass; empty where no mass is said to arise.
    whole : bool
        The words name more than the line, as "tongue" does more than the oral tongue.
    beyond : str
        Name of a place that the template has no line for; what is said of it goes into the addendum.
    """

    pattern: str
    keys: tuple[str, ...]
    site: str = ""
    beyond: str = ""
    whole: bool = False

    @property
    def is_region(self) -> bool:
        """Whether the words stand for more than the line they fill."""
        return self.whole or len(self.keys) > 1


_LARYNX = (
    "epiglottis", "false_cords", "aryepiglottic_folds", "arytenoid_cartilages", "preepiglottic_space",
    "paraglottic_space", "vestibule", "true_vocal_cords", "anterior_commissure", "posterior_commissure", "subglottis",
)  # fmt: skip
_ORAL = ("lip", "buccal_mucosa_and_gingiva", "retromolar_trigone", "floor_of_mouth", "oral_tongue")
_OF = r"of (?:the )?(?:right |left )?"

TERMS: tuple[Term, ...] = (
    Term(r"(?:upper |lower )?lips?", ("lip",), "Lip"),
    Term(
        r"bucco-?gingival (?:sulcus|sulci)|(?:buccal|cheek) mucosae?|gingiva[el]?|gingivae|gingivo-? ?(?:buccal|labial) \w+|(?:(?:upper|lower)(?: and (?:upper|lower))? )?gingivo-?buccal (?:sulcus|sulci)|"
        r"(?:(?:upper|lower|superior|inferior|mandibular|maxillary) )*(?:alveolar (?:ridge|mucosa|process|crest)|alveol(?:us|i))|gums?|(?:upper |lower )?(?:gb|gbs) (?:sulcus|sulci)|gbs|"
        r"bucc?al (?:sulcus|vestibule)|inner cheek|(?:cheek lining|lining of (?:the |his |her )?cheek|inside of (?:the |his |her )?cheek)|buccal mucous membrane|alveolar gum|gum ridge|neo-?alveolus|(?:upper|lower) jaw gum",
        ("buccal_mucosa_and_gingiva",),
        "Buccal mucosa and gingiva",
    ),
    Term(
        r"(?:area |region |gum )?behind (?:the |his |her )?(?:last |rearmost )?(?:wisdom tooth|wisdom teeth|molars?|lower molars?|third molar)|retro-? ?molar(?: trigone| region| area| triangle| commissure| fossa)?|rmt",
        ("retromolar_trigone",),
        "Retromolar trigone",
    ),
    Term(
        rf"floor {_OF}(?:the )?(?:mouth|oral cavity)|mouth floor|fom|oral floor|sublingual spaces?",
        ("floor_of_mouth",),
        "Floor of the mouth",
    ),
    Term(
        rf"oral tongue|mobile tongue|hemi-?tongue|(?:anterior|free|body of the) tongue|tongue (?:body|tip|margin)|anterior (?:two[- ]thirds?|2/3(?:rds?)?) {_OF}tongue|"
        rf"(?:(?:right|left|ventral|dorsal) )?(?:lateral |ventral |free |under )?(?:border|margin|edge|tip|dorsum|dorsal surface|under-?surface|ventral surface|lateral surface) {_OF}(?:the )?(?:oral |mobile )?tongue|"
        rf"(?:inner |under |outer |upper |lower |side )?(?:surface|side|part|front|body|blade|muscle) {_OF}(?:his |her )?tongue|front of (?:the |his |her )?tongue|"
        rf"lateral (?:oral )?tongue|(?:lateral )?tongue (?:border|margin)",
        ("oral_tongue",),
        "Oral tongue",
    ),
    Term(
        rf"(?:extrinsic|intrinsic) tongue (?:muscul\w+|muscles)|(?:extrinsic |intrinsic )muscles {_OF}tongue|(?:genio|hyo|stylo)glossus(?: muscles?)?",
        (),
        "",
        "Extrinsic muscles of the tongue",
    ),
    Term(
        rf"(?:back(?: third| half| part)?|rear|posterior (?:part|aspect|portion|half)|pharyngeal part) {_OF}(?:his |her |their )?tongue|retro-?lingual (?:region|area)|bases? {_OF}tongue|tongue[- ]bases?|base tongue|bot|posterior (?:one[- ]third|1/3(?:rd)?|third) {_OF}tongue|root of (?:the )?tongue|tongue root|"
        r"lingual tonsils?",
        ("base_of_tongue",),
        "Base of tongue",
    ),
    Term(
        r"(?:(?:palatine|faucial) )?tonsil(?:s|lar(?: (?:fossae?|pillars?|bed|region|loge|lodge))?| fossae?| bed)?|"
        r"(?:anterior |posterior )?(?:(?:faucial|tonsillar|palatoglossal|palatopharyngeal) (?:pillars?|arch(?:es)?)|(?:anterior|posterior) pillars?(?: of the fauces)?)|amygdal(?:a|ae|ar|oid|ic)(?: pillars?| loge| lodge| region| fossa)?",
        ("tonsil",),
        "Tonsil",
    ),
    Term(r"(?:glosso-?epiglottic )?vallecul(?:a|ae|as|ar)", ("valleculae",), "Valleculae"),
    Term(
        r"soft palate|uvula|velum|palatal velum|velum palatinum|soft (?:part of (?:the )?)?palate|back (?:part )?of the (?:palate|roof of (?:the |his |her )?mouth)",
        ("soft_palate",),
        "Soft palate",
    ),
    Term(r"epiglott(?:is|ic)", ("epiglottis",), "Epiglottis"),
    Term(
        r"false (?:vocal )?(?:cords?|folds?)|false(?= and (?:both )?(?:the )?true (?:vocal )?(?:cords?|folds?))|fvcs?|"
        r"ventricular (?:bands?|folds?)|vestibular folds?",
        ("false_cords",),
        "False cords",
    ),
    Term(
        r"ary-? ?epiglottic(?: folds?)?|a-?e ?folds?|aefs?|aryepiglottis",
        ("aryepiglottic_folds",),
        "Aryepiglottic folds",
    ),
    Term(r"arytenoids?(?: cartilages?| region| mucosa)?", ("arytenoid_cartilages",), "Arytenoid cartilages"),
    Term(r"pre-? ?epiglottic(?: space| fat| region| body| tissue)*|pes", ("preepiglottic_space",)),
    Term(r"para-? ?glottic(?: spaces?| fat| region)*|paralaryngeal (?:space|fat)|pgs", ("paraglottic_space",)),
    Term(r"laryngeal vestibule|vestibule(?: of (?:the )?larynx)?", ("vestibule",), "Vestibule"),
    Term(
        r"(?:true )?vocal (?:cords?|folds?)|true(?= and (?:both )?(?:the )?false (?:vocal )?(?:cords?|folds?))|true (?:cords?|folds?)|tvcs?|(?<!spinal )(?<!false )(?<!spermatic )\bcords?|voice cords?|vocal chords?|(?<!ary-epiglottic )vocal ligaments?|vcs?",
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
        r"(?:\w+glottic |laryngeal |pharyngeal |upper )?(?:airways?|air ?column|air ?passages?|breathing passages?)(?: (?:compromise|obstruction|narrowing|stenosis))?|glottic chink|laryngeal lumen",
        ("airway_compromise",),
    ),
    Term(
        r"endo-?tracheal tubes?|et[- ]tubes?|etts?|(?<!be )(?<!being )(?<!was )(?<!been )intubated(?= ?(?:[.,;)]|$|at\b|on\b))",
        ("et_tube_in_situ",),
    ),
    Term(
        r"thyroid (?:cartilages?|cart\b\.?|lamina\w*|ala\w*)|thyroid(?=(?:,| and|/| or)[^.;]{0,30}cartilages)",
        ("thyroid_cartilage",),
        "Thyroid cartilage",
    ),
    Term(r"cricoids?(?: (?:cartilages?|cart\b\.?|ring|lamina|arch))?", ("cricoid_cartilage",), "Cricoid cartilage"),
    Term(
        r"gullet|food ?pipe|(?:cervical |upper |proximal )*o?esophag(?:us|eal)(?: inlet| verge| wall| entrance| entry)?",
        ("esophagus",),
        "Esophagus",
    ),
    Term(
        r"pre-? ?vertebral(?:/retropharyngeal)?(?: (?:fat(?: (?:space|plane|stripe|pad))?|space|fascia|muscles?|musculature|region|plane|"
        r"soft tissues?|extension))?|longus (?:colli|capitis|coli)(?: muscles?)?",
        ("prevertebral_space",),
    ),
    Term(
        r"p[iy]riform (?:sinus(?:es|s)?|fossae?|recess(?:es)?)|p[iy]riforms|pfs|p[iy]riform apex",
        ("pyriform_sinus",),
        "Pyriform sinus",
    ),
    Term(
        r"post-? ?cricoid(?: region| area| space| mucosa| hypopharynx)?|retro-?cricoid(?: region| area)?",
        ("post_cricoid_region",),
        "Post-cricoid region",
    ),
    Term(
        r"(?:(?:first|second|upper|two|three|\d) )*tracheal (?:cartilages?|rings?|wall)|trachea|windpipe",
        ("tracheal_cartilages",),
        "Trachea",
    ),
    Term(
        r"straps|strap muscles?(?: (?:and|/|or) (?:the )?thyroid gland)?|(?:infrahyoid|sternothyroid|sternohyoid|"
        r"thyrohyoid|omohyoid)"
        r"(?: strap)? muscles?|strap musculature",
        ("strap_muscles_thyroid_gland",),
    ),
    Term(
        r"thyroid (?:glands?|lobes?|isthmus|parenchyma|bed|tissue)|lobes? of (?:the )?thyroid(?: gland)?|"
        r"thyroid(?! (?:notch|eminence))",
        ("strap_muscles_thyroid_gland",),
        "Thyroid gland",
    ),
    Term(
        r"(?:petrous |cavernous |cervical )?(?:segment of the )?(?:(?:right|left) )?(?:(?:common|internal|external) )*carotids?(?: (?:arter(?:y|ies)|sheaths?|spaces?|vessels?|bifurcations?|"
        r"bulbs?|axis|axes))?|[iec]cas?",
        ("carotid_arteries_ijv",),
    ),
    Term(r"(?:internal )?jugular veins?|internal jugulars?|jugulars|ijvs?", ("carotid_arteries_ijv",)),
    Term(
        r"(?:(?:great|major|neck|cervical|carotid|large|big|main|cervical vascular|blood) )*(?:neck )?(?:blood )?vessels?|(?:main|big|large|great|neck) arter(?:y|ies)|jugulo-?carotid (?:axis|bundle|axes)|vascular axis|(?:major |cervical )?vascular structures|vascular axes|vascular bundles?",
        ("carotid_arteries_ijv",),
    ),
    Term(
        r"para-? ?pharyngeal(?: (?:fat )?spaces?| fat(?:ty)? tissues?| fat(?: spaces?| planes?| pads?)?)?|pps",
        ("parapharyngeal_space",),
    ),
    Term(
        r"(?:(?:(?:medial|lateral|internal|external)(?: and (?:medial|lateral|internal|external))? )?pterygoid(?:eus)? (?:muscles?|musculature))|pterygoids|(?:(?:medial|lateral|internal|external)(?: and (?:medial|lateral|internal|external))? )pterygoids?",
        ("pterygoid_muscles",),
    ),
    Term(
        r"(?:central |anterior |middle |lateral )?skull[- ]base(?: foramina)?|base of (?:the )?skull|floor of (?:the )?(?:(?:right|left) )?(?:middle|anterior) cranial fossa|(?:middle|anterior) cranial fossa floor|cliv(?:us|al)(?: marrow)?|petrous (?:apex|apices|bone)|sphenoid (?:bone|body|floor|sinus floor)|basisphenoid",
        ("skull_base",),
    ),
    Term(r"glosso-?tonsillar (?:sulcus|groove|fold)", (), "", "Glossotonsillar sulcus"),
    Term(
        r"foram(?:en|ina) (?:ovale|rotundum|lacerum|spinosum)|hypoglossal canals?|jugular foram(?:en|ina)|carotid canals?|vidian canals?|stylomastoid foram(?:en|ina)(?: fat)?",
        (),
        "",
        "Skull base foramina",
    ),
    Term(
        r"eye sockets?|orbits?|(?:intra-?)?orbital(?: (?:fat|apex|floor|wall))?|extra-?conal fat|orbital contents",
        ("orbit",),
        "Orbit",
    ),
    Term(
        r"salivary glands? in front of (?:the |his |her )?ears?|parotids?(?: (?:salivary )?glands?| spaces?| tail)?|(?:deep|superficial) lobe(?: of the (?:right |left )?parotid(?: gland)?)?|tail of the parotid",
        ("parotid_gland",),
        "Parotid gland",
    ),
    Term(
        r"(?:salivary glands? )(?:beneath|under|below) (?:the |his |her )?jaw|sub-?maxillary glands?|submandibular (?:salivary )?glands?|submandibular(?=(?:,| and|/| or)[^.;]{0,30}glands)|submandibular(?= (?:is |are |- |: )?(?:both )?(?:normal|unremarkable|clear|spared|free|ok|fine|symmetric\w*|intact)\b)|submandibulars|smgs?|wharton\w* duct",
        ("submandibular_gland",),
        "Submandibular gland",
    ),
    Term(
        r"cranial nerves?|peri-?neural(?: tumou?r)?(?: (?:spread|extension|invasion|involvement|disease|infiltration|growth|carcinomatosis))?|pni|pnts",
        ("cranial_nerves",),
    ),
    Term(
        r"(?:(?:mandibular|maxillary|trigeminal|facial|hypoglossal|vagus|lingual|inferior alveolar|ophthalmic|vidian|abducens|oculomotor|optic|infraorbital|recurrent laryngeal) nerves?)(?! (?:palsy|paralysis))|"
        r"nerves? (?:v[1-3]|vii|xii)|(?<![\w])v[123](?![\w])|meckel\w* (?:cave|cavum)|gasserian ganglion",
        ("cranial_nerves",),
    ),
    Term(
        r"(?:intra|endo)-? ?cranial(?: (?:extension|spread|invasion|involvement|component|disease|growth))?",
        ("intracranial_extension",),
    ),
    Term(
        r"intra-? ?cranial (?:contents|structures|compartment|space)|cavernous sinus(?:es)?|dura(?:l|e| mater)?|middle cranial fossa|temporal lobe|(?:lepto-?|pachy-?)?meninge\w*",
        ("intracranial_extension",),
    ),
    Term(
        r"(?:extra|peri)-? ?nodal (?:tumou?r )?(?:extension|spread|disease|infiltration|growth|invasion)|"
        r"extra-? ?capsular (?:tumou?r )?(?:extension|spread|growth|invasion|rupture|disease)|r?ene\b|ecs|ece|capsul\w+ (?:rupture|breach|invasion|penetration)|(?:ruptured|broken|breached) capsules?",
        ("extranodal_extension",),
    ),
    Term(r"(?:nodal )?capsules?(?! (?:rupture|breach)\b)", ("extranodal_extension",)),
    # Regions.
    Term(r"oral cavity|(?<!of )(?<!of the )mouth", _ORAL, "Oral cavity"),
    Term(r"tongue(?: muscles?| musculature)?", ("oral_tongue",), "Tongue", whole=True),
    Term(r"oro-?pharyn(?:x|geal)", ("base_of_tongue", "tonsil", "valleculae", "soft_palate"), "Oropharynx"),
    Term(r"hypo-?pharyn(?:x|geal)", ("pyriform_sinus", "post_cricoid_region"), "Hypopharynx"),
    Term(
        r"voice ?box|(?:endo|hemi)?-?laryn(?:x|ges|geal)|laryngeal (?:plan|floor|stage)|transglott(?:is|ic)|laryngeal structures",
        _LARYNX,
        "Larynx",
    ),
    Term(
        r"supra-?glott(?:is|ic)(?: larynx)?",
        ("epiglottis", "false_cords", "aryepiglottic_folds", "vestibule"),
        "Supraglottis",
    ),
    Term(r"glott(?:is|ic)(?: larynx)?", ("true_vocal_cords", "anterior_commissure", "posterior_commissure"), "Glottis"),
    Term(
        r"(?:major |large |main )?salivary glands|parotid and submandibular glands",
        ("parotid_gland", "submandibular_gland"),
    ),
    Term(
        r"(?:laryngeal )?cartilag(?:e|es|inous framework)|laryngeal framework|laryngeal skeleton",
        ("thyroid_cartilage", "cricoid_cartilage", "arytenoid_cartilages"),
    ),
    # Places the template has no line for; named, so that longer words are not read as shorter ones.
    Term(
        r"naso-?pharyn(?:x|geal)(?: mucosa)?|adenoids?|foss(?:a|ae) of rosenm\w+|torus tubarius",
        (),
        "Nasopharynx",
        "Nasopharynx",
    ),
    Term(r"hard palate|roof of (?:the |his |her )?mouth|palate", (), "Hard palate", "Hard palate"),
    Term(
        r"(?:right |left )?(?:lateral |posterior )(?:(?:and|/|&) (?:lateral |posterior ))?(?:oro-?|hypo-?|"
        r"naso-?)?pharyn(?:geal|x) walls?|(?:oro-?|hypo-?|naso-?)pharynx (?:posterior|lateral) walls?|(?:lateral|posterior) wall of the (?:oro-?|hypo-?)?pharynx|pharyngeal mucos\w+(?: space)?|pharynx|neopharynx",
        (),
        "Pharyngeal wall",
        "Pharyngeal wall",
    ),
    Term(
        r"nasal (?:cavity|cavities|vestibule|septum|fossae?)|(?:inferior|middle) turbinates?",
        (),
        "Nasal cavity",
        "Nasal cavity",
    ),
    Term(r"(?:maxillary (?:sinus(?:es)?|antr(?:um|a))|antrum)", (), "Maxillary sinus", "Maxillary sinus"),
    Term(
        r"paranasal sinus(?:es)?|(?:sphenoid|frontal|ethmoid\w*|sigmoid) sinus(?:es)?|ethmoids?|mastoid\w*(?: air cells)?",
        (),
        "",
        "Paranasal sinuses",
    ),
    Term(
        r"(?:hemi-?)?mandib(?:le|ular)(?: (?:cortex|cortices|marrow|body|ramus|canal|condyle|angle|alveolus|bone))?|(?:(?:buccal|lingual|inner|outer) )?cort(?:ex|ices) of (?:the )?(?:body of (?:the )?)?(?:right |left )?(?:hemi-?)?mandible|"
        r"(?:body|ramus|angle|symphysis) of (?:the )?(?:right |left )?mandible|jaw(?: ?bone)?|bone of (?:the |his |her )?jaw|angle of (?:the |his |her )?jaw",
        (),
        "",
        "Mandible",
    ),
    Term(r"maxill(?:a|ae|ary)(?: (?:tuberosity|bone|alveolus))?", (), "Maxilla", "Maxilla"),
    Term(r"hyoid(?: bone)?", (), "", "Hyoid bone"),
    Term(
        r"pterygoid (?:plates?|process(?:es)?|fossa)|pterygo-?palatine foss(?:a|ae)|ptery?gomaxillary fissure|inferior orbital fissure",
        (),
        "",
        "Pterygopalatine fossa and plates",
    ),
    Term(
        r"sternum|clavicles?|ribs?|bones?|bony(?: structures| skeleton)?|osseous(?: structures)?|skeleton|(?:cervical )?spine|vertebra\w*(?: bod(?:y|ies))?",
        (),
    ),
    Term(
        r"(?:median |lateral )?glosso-?epiglottic folds?|pharyngo-?epiglottic folds?|laryngeal ventricles?|ventricles?",
        (),
    ),
    Term(
        r"masticator spaces?|masseter(?:ic)?(?: muscles?)?|temporalis(?: muscles?)?|infra-?temporal foss(?:a|ae)|itf|high infratemporal fossa|masticatory muscles",
        (),
        "",
        "Masticator space",
    ),
    Term(r"buccal (?:space|fat(?: pad)?)|buccinator(?: muscle)?|fat of the cheek", (), "", "Buccal space"),
    Term(
        r"(?:overlying |cheek |facial )?skin(?: of (?:the )?\w+)?|subcutaneous (?:tissues?|fat)|cutis|dermis|platysma",
        (),
        "",
        "Skin",
    ),
    Term(
        r"submandibular(?: space| region)?|submental(?: space| region)?|mylo-?hyoid(?: muscles?)?|digastric(?: muscles?)?",
        (),
    ),
    Term(r"retro-?pharyngeal(?: space| fat| soft tissues?)?", (), "", "Retropharyngeal space"),
    Term(
        r"sterno-?cleido-?mastoid(?: muscles?)?|scm|(?:paraspinal|scalene|trapezius|levator scapulae)(?: muscles?)?|(?:overlying |adjacent )?muscles?|brachial plexus",
        (),
        "",
        "Muscles of the neck",
    ),
    Term(r"tracheo(?:stom(?:y|a)|stome)(?: tube)?|trachy|stoma|naso-?gastric tube|feeding tube|flaps?|free flap", ()),
    Term(
        r"jugular (?:chain|nodes?)|carotid (?:nodes?|chain)|jugulo-?carotid|para-?tracheal|jugulo-?digastric|intra-?parotid|parotid (?:nodes?|nodal)|submandibular (?:nodes?|nodal|lymph)",
        (),
    ),
    Term(
        r"vocal (?:cord|fold) (?:palsy|paralysis|paresis|mobility|motion)|thyroid nodules?|vertebral (?:arter\w+)|hypoglossal (?:nerve )?palsy|facial (?:nerve )?palsy|spinal cord|spermatic cord|"
        r"lingual (?:arter\w+|vessels?)|neurovascular bundle",
        (),
    ),
    Term(
        r"(?:right |left )?(?:(?:upper|lower|middle) )?(?:lung(?:s)?(?: apices| apex| parenchyma)?|pulmon\w+(?: apices)?|lobes? of (?:the )?(?:right |left )?lung)|(?:upper|lower|middle) lobes?|lingula|apices|pleura\w*|mediastin\w+|thora(?:x|cic)|chest|hil(?:um|ar)|trapped air|bronch\w+",
        (),
        "",
        "Chest",
    ),
    Term(
        r"liver|hepatic|spleen|kidneys?|adrenals?|pancreas|bowel|abdom\w+|pelvi\w+|brain(?: parenchyma)?|cerebr\w+|cerebellum|ventricular system|posterior fossa|pituitary",
        (),
    ),
    Term(
        r"(?:pectoralis|latissimus)(?: muscle)?|submucosa|marrow|midline|glenoid|temporo-?mandibular joints?|teeth|tooth|dental \w+|mucosa",
        (),
    ),
)

NODE_WORDS = r"(?:lymph ?nodes?|lymph ?nodal|nodes?|nodal|(?:lymph)?adenopath(?:y|ies)|lymph ?adenopathies|lad|lan|lns?|adenomegal(?:y|ies)|lymphonodi|ganglia|(?:enlarged |swollen |abnormal |suspicious |necrotic |malignant |pathological |metastatic |secondary |involved )?(?:lymph|neck|cervical) ?glands?|(?:enlarged|swollen|abnormal|suspicious|necrotic|malignant|pathological|metastatic|secondary|involved|diseased) glands?(?= (?:in|on|at|of) )|lymphatic nodes?|lymphnodes?|ganglion(?:s|ic|ary|ar)?|adenopathic)"
NODE = re.compile(rf"(?<![\w-])(?:{NODE_WORDS})(?![\w])")
MASS_WORDS = (
    r"(?:mass(?:es)?|(?:(?:tissu(?:lar|e)|tumou?r(?:al|ous)?|expansive|expansile|neoplastic|malignant|vegetating|budding|ulcer\w+|infiltrat\w+|proliferative|space[- ]occupying|heteroplastic|productive) )+(?:process(?:es)?|formations?|proliferations?|infiltrate)|neo-?formations?|blastoma|lumps?|lesions?|tumou?rs?|growths?|neoplas(?:ms?|ia)|carcinomas?|cancers?|malignanc(?:y|ies)|w?d?scc|tumou?ral process|(?:chondro)?sarcomas?|ulcers?|"
    r"(?:(?:soft[- ]tissue|enhancing|nodular|mass-?like|irregular|infiltrat\w+|polypoid|tumou?rous) )+(?:mural |mucosal |wall )?thickening|primary|ca)"
)

PLACE_FIRST = re.compile(
    r"(?: on the (?:right|left)(?: side)?)?,? (?:there (?:is|are)|shows?|demonstrates?|reveals?|harbou?rs?|contains?) "
    r"(?:[\w-]+,? ){0,6}"
)
"""Words between a place and the mass it holds: "in the tonsil there is a large mass"."""

_SIDE = re.compile(r"\b(right|left|bilateral(?:ly)?|both)(?:[- ]sided)?\b")


@dataclass(frozen=True)
class Mention:
    """Place that a sentence names.

    Parameters
    ----------
    term : Term
        Words for the place and the lines that it fills.
    start, end : int
        Range of characters in the plain sentence.
    """

    term: Term
    start: int
    end: int


@cache
def _compiled() -> tuple[tuple[Term, re.Pattern[str]], ...]:
    return tuple((term, re.compile(rf"(?<![\w]){'(?:' + term.pattern + ')'}(?![\w])")) for term in TERMS)


@lru_cache(maxsize=256)
def mentions_in(words: str) -> tuple[Mention, ...]:
    """Find the places named in a plain sentence, in order; of overlapping words the longer count.

    Parameters
    ----------
    words : str
        Sentence in plain spelling.

    Examples
    --------
    >>> [mention.term.keys for mention in mentions_in("pre-epiglottic space and right tonsil")]
    [('preepiglottic_space',), ('tonsil',)]
    """
    found = [Mention(term, m.start(), m.end()) for term, pattern in _compiled() for m in pattern.finditer(words)]
    kept: list[Mention] = []
    taken = bytearray(len(words))
    for mention in sorted(found, key=lambda m: (m.start - m.end, m.start)):
        if not any(taken[mention.start : mention.end]):
            taken[mention.start : mention.end] = b"\1" * (mention.end - mention.start)
            kept.append(mention)
    return tuple(sorted(kept, key=lambda m: m.start))


def sides_in(words: str) -> frozenset[Side]:
    """Find the sides named in a stretch of plain words; "both" and "bilateral" are two.

    Examples
    --------
    >>> sorted(sides_in("bilateral"))
    [<Side.LEFT: 'left'>, <Side.RIGHT: 'right'>]
    """
    sides: set[Side] = set()
    for word in _SIDE.findall(words):
        sides |= {Side(word)} if word in ("right", "left") else {Side.RIGHT, Side.LEFT}
    return frozenset(sides)
