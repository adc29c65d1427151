"""Phrasing templates of free-text reports: names of places, and sets of sentences that share none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Templates = tuple[str, ...]

NAMES: dict[str, Templates] = {
    "lip": ("lips", "lower lip"),
    "buccal_mucosa_and_gingiva": ("buccal mucosa", "gingivobuccal sulcus", "lower gingiva"),
    "retromolar_trigone": ("retromolar trigone", "retromolar region"),
    "floor_of_mouth": ("floor of mouth", "floor of the mouth"),
    "oral_tongue": ("oral tongue", "anterior two-thirds of the tongue"),
    "base_of_tongue": ("base of tongue", "tongue base"),
    "tonsil": ("tonsil", "palatine tonsil", "tonsillar fossa"),
    "valleculae": ("vallecula",),
    "soft_palate": ("soft palate",),
    "epiglottis": ("epiglottis",),
    "false_cords": ("false cord", "false vocal cord"),
    "aryepiglottic_folds": ("aryepiglottic fold", "AE fold"),
    "arytenoid_cartilages": ("arytenoid cartilage", "arytenoid"),
    "preepiglottic_space": ("pre-epiglottic space", "preepiglottic fat"),
    "paraglottic_space": ("paraglottic space", "paraglottic fat"),
    "vestibule": ("laryngeal vestibule",),
    "true_vocal_cords": ("true vocal cord", "vocal cord"),
    "anterior_commissure": ("anterior commissure",),
    "posterior_commissure": ("posterior commissure",),
    "subglottis": ("subglottis", "subglottic region"),
    "thyroid_cartilage": ("thyroid cartilage", "thyroid lamina"),
    "cricoid_cartilage": ("cricoid cartilage", "cricoid"),
    "esophagus": ("cervical oesophagus", "esophagus"),
    "prevertebral_space": ("prevertebral space", "prevertebral muscles", "prevertebral fascia"),
    "pyriform_sinus": ("pyriform sinus", "piriform fossa"),
    "post_cricoid_region": ("post-cricoid region", "postcricoid area"),
    "tracheal_cartilages": ("trachea", "tracheal cartilage"),
    "strap_muscles_thyroid_gland": ("strap muscles", "thyroid gland", "thyroid lobe"),
    "carotid_arteries_ijv": ("carotid artery", "internal jugular vein", "IJV", "carotid sheath"),
    "parapharyngeal_space": ("parapharyngeal space", "parapharyngeal fat"),
    "pterygoid_muscles": ("medial pterygoid muscle", "pterygoid muscles"),
    "skull_base": ("skull base",),
    "orbit": ("orbit",),
    "parotid_gland": ("parotid gland", "parotid"),
    "submandibular_gland": ("submandibular gland",),
    "cranial_nerves": ("cranial nerves",),
    "intracranial_extension": ("intracranial compartment",),
}
"""Words for each field of the template that is a place."""


@dataclass(frozen=True)
class Phrasing:
    """One set of templates.

    Parameters
    ----------
    frame : templates of a whole report
        With {background}, {findings}, {outside}, {traps}.
    mass, involved, involved_one, spared, spared_or, spared_one, equivocal, treated : templates
        Of a sentence; {places} and {place} begin with an article, {bare} does not. `spared_or` is given "A or B".
    nerves, intracranial, airway_open, airway_narrow, tube, no_tube : whole sentences
        That state one finding each, without a place to fill in.
    no_nodes, node, nodes_together, nodes_by_group, node_group, extranodal, no_extranodal : templates on nodes
        With number, level, side and size where the sentence gives them.
    earlier, unseen, background, outside : templates
        That say nothing of the present state of the neck's template.
    sided, both, size_one, size_two : parts of sentences
        How a side goes with a place, and how one or two diameters are written.
    names : mapping of str to templates
        Names of places in place of those of `NAMES`.
    """

    frame: Templates
    background: Templates
    outside: Templates
    mass: Templates
    involved: Templates
    involved_one: Templates
    spared: Templates
    spared_or: Templates
    spared_one: Templates
    equivocal: Templates
    treated: Templates
    nerves: Templates
    intracranial: Templates
    airway_open: Templates
    airway_narrow: Templates
    tube: Templates
    no_tube: Templates
    no_nodes: Templates
    node: Templates
    nodes_together: Templates
    nodes_by_group: Templates
    node_group: Templates
    extranodal: Templates
    no_extranodal: Templates
    earlier: Templates
    unseen: Templates
    sided: Templates
    both: Templates
    size_one: Templates
    size_two: Templates
    names: Mapping[str, Templates] = field(default_factory=dict)


TUNING_1 = Phrasing(
    frame=(
        "Procedure: CECT of Face & Neck.\n\nClinical background: "
            "{background}\n\n{findings}\n\n{outside}\n\nComparison: {traps}\n",
        "CT NECK WITH CONTRAST\n\nHISTORY: {background}\n\nFINDINGS:\n{findings} {outside}\n\nCOMPARISON: {traps}\n\n"
        "IMPRESSION: Findings as described above.\n",
    ),
    background=("Ca oropharynx post CT/RT", "Known case of carcinoma, for staging.", "Dysphagia for two months."),
    outside=(
        "Maxilla/mandible: Normal.", "Paranasal sinuses/nasal cavity: Mucosal thickening is seen in the right "
            "maxillary sinus.",
        "The hyoid bone is normal.",
    ),
    mass=(
        "There is an ill-defined enhancing mass in {place} measuring {size}.",
        "A heterogeneously enhancing lesion measuring {size} is seen in {place}.",
        "Enhancing soft tissue thickening involving {place}, measuring approximately {size}.",
        "A {size} mass is centred in {place}.",
    ),
    involved=(
        "the mass involves {places}.", "there is extension to {places}.", "it infiltrates {places}.",
        "{places} are involved.",
    ),
    involved_one=("the tumour extends to {places}.", "{places} is infiltrated by the mass.", "there is invasion "
        "of {places}."),
    spared=("{places} are normal.", "{places} are spared.", "{places} appear unremarkable."),
    spared_or=("no evidence of involvement of {places}.", "the mass does not extend to {places}.", "there is no "
        "invasion of {places}."),
    spared_one=("{places} is maintained.", "{places} is normal.", "no extension to {places}.", "{bare}: Normal."),
    equivocal=("involvement of {places} cannot be excluded.", "possible infiltration of {places}.", "the mass abuts {places}."),
    treated=(
        "edematous thickening of {places} is noted, likely post RT change.",
        "mild thickening of {places}, likely post-treatment change.",
    ),
    nerves=("There is perineural spread.",),
    intracranial=("There is intracranial extension of the tumour.",),
    airway_open=("The airway is patent.", "Airway is maintained."),
    airway_narrow=("The airway is narrowed.", "There is compromise of the airway."),
    tube=("Endotracheal tube in situ.",),
    no_tube=("No ET tube is seen.",),
    no_nodes=("No significant cervical lymphadenopathy.", "No enlarged lymph nodes are seen."),
    node=(
        "A single enlarged {side} level {level} lymph node is seen, measuring {size}.",
        "There is a {size} necrotic lymph node at {side} level {level}.",
    ),
    nodes_together=(
        "{Count} enlarged lymph nodes in {side} level {level}, the largest measuring {size}.",
        "There are {count} necrotic nodes at {side} level {level}; the largest measures {size}.",
    ),
    nodes_by_group=(
        "There are {groups}, the largest measuring {size}.",
        "Enlarged nodes: {groups}. The largest measures {size}.",
    ),
    node_group=("{count} enlarged {side} level {level} node{s}", "{count} node{s} in {side} level {level}"),
    extranodal=("There is extranodal extension.", "Extracapsular spread is noted."),
    no_extranodal=("No extranodal extension.", "No evidence of extracapsular spread."),
    earlier=(
        "compared to the scan dated 17 June 2022, there is a reduction in the size of the mass and nodes.",
        "on the previous CT, {place} was involved.",
        "previously the mass measured 7.7 x 6.6 cm and involved {place}.",
    ),
    unseen=("{place} cannot be assessed due to dental artefact.",),
    sided=("the {side} {name}", "{side} {name}"),
    both=("bilateral {name}s", "both {name}s"),
    size_one=("{a} cm", "{a} mm", "approx. {a}cm", "{a} cm in longest dimension"),
    size_two=("{a} x {b} cm", "{a} x {b} mm", "{a} cm x {b} cm", "$\\sim {a} \\times {b}$ cm"),
)  # fmt: skip

TUNING_2 = Phrasing(
    frame=(
        "CT soft tissue neck with IV contrast\n\nClinical "
            "information\n{background}\n\nFindings\n{findings}\n{outside}\n"
        "{traps}\n\nConclusion\nAppearances as detailed in the body of the report.\n",
        "EXAM: Contrast enhanced CT of the neck, 3 mm slices.\nINDICATION: {background}\n\n{traps}\n\n{findings}\n\n"
        "{outside}\n\nRECOMMENDATION: Correlate with endoscopy and biopsy.\n",
    ),
    background=(
        "64-year-old smoker with odynophagia, biopsy-proven SCC.", "Hoarseness, ?laryngeal tumour.",
        "Follow-up after chemoradiotherapy.",
    ),
    outside=(
        "No suspicious pulmonary nodule in the visualised lung apices.", "Degenerative changes of the cervical spine.",
        "Visualised paranasal sinuses and mastoid air cells are well aerated.",
    ),
    mass=(
        "An avidly enhancing exophytic tumour is identified arising from {place}; it measures {size}.",
        "There is a bulky ulcerated growth of {place} ({size}).",
        "Lobulated soft tissue mass lesion with epicentre in {place} with dimensions of {size} is noted.",
        "Primary tumour: a necrotic mass occupying {place}, {size} in size.",
    ),
    involved=(
        "this lesion spreads to {places}.", "tumour is seen invading {places}.", "direct extension into "
            "{places} is present.",
        "disease also affects {places}.", "{places} show tumour infiltration.", "there is contiguous "
            "involvement of {places}.",
    ),
    involved_one=(
        "the growth reaches {places}.", "{places} is destroyed by tumour.", "there is frank tumour invasion "
            "into {places}.",
        "{places} appears infiltrated.", "inferiorly, it encroaches upon {places}.",
    ),
    spared=(
        "{places} are free of disease.", "{places} are intact and show no abnormality.", "preserved {places}.",
        "the lesion spares {places}.", "{places} remain uninvolved.",
    ),
    spared_or=(
        "there is no sign of tumour spread to {places}.", "{places} are not infiltrated.",
        "without evidence of extension into {places}.", "no definite abnormality of {places} is demonstrated.",
    ),
    spared_one=(
        "{places} is clear.", "the fat plane with {places} is preserved.", "invasion of {places} is not identified.",
        "{places} is within normal limits.", "{bare} - unremarkable.", "{places} does not appear to be involved.",
    ),
    equivocal=(
        "early invasion of {places} is suspected.", "{places} is questionably involved.",
        "findings are suspicious for extension into {places}.", "there is probable involvement of {places}.",
    ),
    treated=(
        "diffuse mucosal oedema of {places} in keeping with radiation-induced change.",
        "{places} shows smooth thickening which is most likely treatment related.",
    ),
    nerves=("Perineural tumour spread is present along V3.", "There is evidence of perineural extension."),
    intracranial=("Tumour extends intracranially through the foramen ovale with intracranial extension into the "
        "dura.",),
    airway_open=("No airway compromise.", "The airway is not narrowed.", "Patent airway."),
    airway_narrow=("The tumour is causing significant airway narrowing.", "The laryngeal airway is severely "
        "compromised."),
    tube=("The patient is intubated with an endotracheal tube in place.", "An ET tube is noted."),
    no_tube=("Endotracheal tube: absent.", "There is no endotracheal tube."),
    no_nodes=(
        "No pathologically enlarged or necrotic cervical lymph "
            "nodes.", "There is no cervical adenopathy by size criteria.",
        "Lymph nodes: none enlarged.",
    ),
    node=(
        "Nodal disease: solitary {side} level {level} node of {size}.",
        "A pathological {side}-sided lymph node at level {level} measures {size}.",
        "{size} {side} level {level} lymph node.",
    ),
    nodes_together=(
        "Within {side} level {level} there are {count} pathological nodes, up to {size}.",
        "{Count} suspicious {side} level {level} nodes are identified, with the biggest measuring {size}.",
    ),
    nodes_by_group=(
        "Metastatic adenopathy is present with {groups}. The dominant node is {size}.",
        "Involved lymph nodes include {groups} (largest {size}).",
    ),
    node_group=("{count} {side} level {level} lymph node{s}", "{count} metastatic node{s} at level {level} on "
        "the {side}"),
    extranodal=("Features of extranodal spread are present.", "The margins are irregular with extracapsular "
        "extension."),
    no_extranodal=("No features to suggest extranodal extension.", "Extracapsular extension is not seen."),
    earlier=(
        "when compared with the prior study, the mass has decreased from 9.9 cm.",
        "the earlier examination showed involvement of {place}.",
        "at baseline, the tumour measured 8.8 cm and invaded {place}.",
    ),
    unseen=("evaluation of {place} is limited by motion artefact.", "{place} is obscured by beam hardening from "
        "dental amalgam."),
    sided=("the {name} on the {side}", "the {side} {name}", "{side}-sided {name}"),
    both=("the {name}s bilaterally", "the right and left {name}s"),
    size_one=("{a} cm", "{a}-mm", "up to {a} cm", "{a} mm in maximum diameter"),
    size_two=("{a} cm by {b} cm", "{a} \u00d7 {b} mm", "{a}*{b} cm", "{a} cm (AP) x {b} cm (TR)"),
)  # fmt: skip
