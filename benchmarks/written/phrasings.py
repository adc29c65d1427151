"""Further sets of phrasing templates: three that the rules of `hyoid structure` were tuned on, and one held out."""

from __future__ import annotations

from hyoid.phantom.text.phrasings import Phrasing

TUNING_3 = Phrasing(
    frame=(
        "Study: CT neck (post contrast)\n\nClinical details: "
            "{background}\n\nReport:\n{findings}\n\n{traps}\n\n{outside}\n\n"
        "Opinion: As above. Discussion in the tumour board is suggested.\n",
        "CECT NECK\nH/O: {background}\n\n{outside} {findings}\n\n{traps}\n\nADVICE: Tissue diagnosis.\n",
    ),
    background=(
        "Ulcer in the throat with weight loss.", "Biopsy shows moderately differentiated squamous cell carcinoma.",
        "k/c/o carcinoma, s/p 35 fractions of RT.",
    ),
    outside=(
        "Bones show no lytic or sclerotic lesion.", "Orthopantomogram recommended for carious teeth.",
        "Both mastoids are well pneumatised.", "The visualised lungs are clear.",
    ),
    mass=(
        "Evidence of irregular infiltrative soft tissue density mass seen originating from {place}, roughly {size}.",
        "A {size} enhancing tumour is based in {place}.",
        "CT demonstrates a circumferential enhancing lesion within {place}. It has a size of {size}.",
        "There is asymmetric nodular thickening along {place} representing the known malignancy ({size}).",
        "Known primary in {place} currently measures {size}.",
    ),
    involved=(
        "medially and superiorly the mass extends up to involve "
            "{places}.", "obvious infiltration is noted in {places}.",
        "the neoplasm has invaded {places}.", "{places} are engulfed by the lesion.", "loss of normal outline "
            "of {places} due to tumour infiltration.",
        "transgression into {places} is evident.", "structures involved: {places}.",
    ),
    involved_one=(
        "{places} shows abnormal enhancement consistent with tumour.", "superior extent: up to and including {places}.",
        "{places} is replaced by neoplastic tissue.", "posteriorly it breaches {places}.", "gross involvement "
            "of {places} seen.",
    ),
    spared=(
        "{places} show normal appearance.", "{places} are not remarkable.", "rest of the neck: {places} are normal.",
        "{places} are well preserved.", "unremarkable appearance of {places}.", "{places} have a normal appearance.",
    ),
    spared_or=(
        "no CT features of invasion of {places}.", "the disease does not cross into {places}.", "neither "
            "erosion nor invasion of {places} is seen.",
        "no abnormal enhancement in {places}.", "{places} are without tumour.",
    ),
    spared_one=(
        "{places} shows no infiltration.", "{places} is separate from the mass.", "{bare}: no abnormality detected.",
        "clear fat plane is seen between the mass and {places}.", "{places} looks normal.", "{bare}: WNL.", "{places} is free.",
    ),
    equivocal=(
        "{places} may be involved.", "subtle invasion of {places} is not excluded.", "indistinct fat plane with "
            "{places}.",
        "{places} is in close contact with the mass, ?infiltration.", "equivocal involvement of {places}.",
    ),
    treated=(
        "{places} is swollen, consistent with post-radiotherapy oedema.",
        "symmetric thickening and low attenuation of {places} secondary to previous radiotherapy.",
        "post irradiation oedema involving {places}.",
    ),
    nerves=("Widening of the foramen ovale is seen with perineural "
        "disease.", "Perineural invasion along the mandibular nerve."),
    intracranial=("The tumour has an intracranial component.", "Intracranial spread through the skull foramina "
        "is seen."),
    airway_open=("Airway: adequate.", "The laryngeal airway is widely patent.", "There is no narrowing of the airway."),
    airway_narrow=("The mass encroaches on the airway.", "Marked luminal narrowing of the airway by the tumour."),
    tube=("ETT noted in situ.", "The endotracheal tube tip is 3 cm above the carina."),
    no_tube=("ET tube: nil.", "Without endotracheal tube."),
    no_nodes=(
        "Neck nodes: not enlarged.", "Cervical lymph nodes are not significantly enlarged.", "Negative for "
            "cervical lymphadenopathy.",
        "No suspicious adenopathy in the neck.",
    ),
    node=(
        "One round {side} level {level} node with central necrosis, {size}.",
        "The {side} neck shows a metastatic level {level} node measuring {size}.",
        "Enlarged lymph node ({size}) is seen in level {level} on the {side} side.",
    ),
    nodes_together=(
        "{Count} metastatic nodes seen on the {side} at level {level} (largest: {size}).",
        "Level {level} on the {side} contains {count} enlarged nodes; maximum size {size}.",
    ),
    nodes_by_group=(
        "Cervical nodal metastases as follows: {groups}. Largest node {size}.",
        "Pathological adenopathy: {groups}; the largest of these is {size}.",
    ),
    node_group=("level {level} {side}: {count} node{s}", "{side} neck level {level}: {count} node{s}"),
    extranodal=("Nodal margins are ill defined, suggesting no capsule; extranodal extension is "
        "present.", "ENE: positive."),
    no_extranodal=("ENE: negative.", "There are no signs of extranodal spread."),
    earlier=(
        "interval decrease in size of the lesion (earlier 9.5 x 8.5 cm).",
        "in the last scan {place} was infiltrated.",
        "tumour that was seen in {place} on the prior MRI is no longer part of the present disease burden of 2021.",
        "prior CT from March: mass of 9.1 cm reaching {place}.",
    ),
    unseen=("{place} could not be evaluated because of streak artefact.", "{place} is not included in the scan."),
    sided=("{name} on {side} side", "the {side} {name}", "{side} {name}"),
    both=("the {name}s on both sides", "bilateral {name}s", "{name}s of both sides"),
    size_one=("{a} cm", "{a} mm", "~{a} cm", "{a}.0 mm"),
    size_two=("{a} by {b} cm", "{a} mm x {b} mm", "{a} X {b} cm", "{a} x {b} cm (TR x AP)"),
    names={
        "base_of_tongue": ("posterior third of the tongue", "tongue base"),
        "floor_of_mouth": ("FOM", "floor of the mouth"),
        "oral_tongue": ("lateral border of the tongue", "anterior 2/3rd of tongue", "oral tongue"),
        "buccal_mucosa_and_gingiva": ("upper gingivobuccal sulcus", "buccal mucosa"),
        "retromolar_trigone": ("RMT", "retromolar area"),
        "pyriform_sinus": ("piriform sinus", "pyriform fossa"),
        "false_cords": ("ventricular band", "false vocal fold"),
        "true_vocal_cords": ("vocal fold", "true vocal fold"),
        "aryepiglottic_folds": ("ary-epiglottic fold",),
        "thyroid_cartilage": ("thyroid ala", "thyroid cartilage"),
        "cricoid_cartilage": ("cricoid ring",),
        "esophagus": ("oesophageal inlet", "upper esophagus"),
        "tracheal_cartilages": ("tracheal rings", "trachea"),
        "strap_muscles_thyroid_gland": ("infrahyoid muscles", "thyroid isthmus", "strap muscles"),
        "carotid_arteries_ijv": ("common carotid artery", "ICA", "internal jugular vein"),
        "prevertebral_space": ("pre-vertebral fascia", "prevertebral musculature"),
        "soft_palate": ("uvula", "soft palate"),
        "subglottis": ("infraglottic region", "subglottic larynx"),
        "posterior_commissure": ("interarytenoid region", "posterior commissure"),
        "skull_base": ("base of skull",),
        "tonsil": ("tonsillar pillar", "faucial tonsil", "tonsil"),
    },
)  # fmt: skip

TUNING_4 = Phrasing(
    frame=(
        "CT NECK WITH CONTRAST\n\nCLINICAL HISTORY: {background}\n\nTECHNIQUE: Helical acquisition, 2 "
            "mm.\n\nFINDINGS:\n"
        "{traps}\n{findings}\n\n{outside}\n\nIMPRESSION:\n1. Malignancy with local extent as described.\n",
        "Examination: CT of the neck\n\nReason for exam: "
            "{background}\n\nObservations:\n\n{findings}\n\n{outside}\n{traps}\n\n"
        "Suggestion: Clinical correlation.\n",
    ),
    background=(
        "Newly diagnosed malignancy, staging.", "Neck swelling since June, FNAC positive for malignancy.",
        "Status post induction chemotherapy, response assessment.",
    ),
    outside=(
        "The visualised brain parenchyma is grossly unremarkable in the included slices.",
        "Mild spondylotic changes of C5-C6.", "A retention cyst is present in the left maxillary antrum.",
    ),
    mass=(
        "Large heterogeneous mass is present in {place}, and this measures {size} on axial images.",
        "The primary lesion lies in {place} and spans {size}.",
        "Again noted is an enhancing tumour of {place}, now {size}.",
        "Infiltrating mass of {place} with a maximum size of {size}.",
    ),
    involved=(
        "the process extends along {places}.", "tumour invades {places}.", "there is tumour within {places}.",
        "additional involvement of {places} is observed.", "it has spread into {places}.", "{places} "
            "demonstrate tumour invasion.",
    ),
    involved_one=(
        "deep extension reaching {places} is present.", "{places} is obliterated by tumour.", "the lesion "
            "crosses over to {places}.",
        "cranial extension into {places} is seen.", "{places} is invaded.",
    ),
    spared=(
        "there is sparing of {places}.", "{places} are not affected.", "{places} have been spared.",
        "no abnormality is seen in {places}.", "{places} maintain a normal configuration.",
    ),
    spared_or=(
        "there is no convincing evidence of tumour in {places}.", "no infiltration of {places}.",
        "the tumour has not reached {places}.", "no gross extension into {places} is appreciated.",
    ),
    spared_one=(
        "{places} is unaffected.", "no tumour extension towards {places} is noted.", "{places} demonstrates no "
            "erosion.",
        "the mass stops short of {places}.", "{places} is not breached.", "{bare}: no involvement.",
    ),
    equivocal=(
        "possible early extension into {places}.", "tumour involvement of {places} is likely.",
        "{places} cannot be cleared of tumour; invasion is "
            "possible.", "infiltration of {places} is difficult to exclude.",
        "suspected invasion of {places}.",
    ),
    treated=(
        "{places} demonstrates oedema, presumably radiation related.",
        "post-treatment thickening of {places} is again seen.",
        "thickened {places}, attributable to prior radiation.",
    ),
    nerves=("Findings are consistent with perineural spread.", "Perineural tumour extension is demonstrated."),
    intracranial=("Intracranial extension is noted through the skull base "
        "foramina.", "There is tumour with intracranial spread."),
    airway_open=("The airway remains patent.", "No significant airway narrowing is present.", "The airway is of "
        "normal calibre."),
    airway_narrow=("There is moderate narrowing of the supraglottic airway.", "The airway is effaced by the mass."),
    tube=("An endotracheal tube is present.", "The patient has an endotracheal tube."),
    no_tube=("Not intubated, no endotracheal tube.", "ET tube: no."),
    no_nodes=(
        "No cervical nodal disease.", "There are no enlarged cervical nodes.", "No lymphadenopathy is "
            "identified in the neck.",
        "Cervical nodes are normal.",
    ),
    node=(
        "There is an enlarged {side} level {level} lymph node that measures {size}.",
        "Solitary {side} level {level} nodal metastasis, {size}.",
        "A {side} level {level} node with irregular margins is noted measuring {size}.",
    ),
    nodes_together=(
        "There are {count} abnormal lymph nodes in the {side} neck at level {level}; the largest is {size}.",
        "{Count} enlarged {side}-sided level {level} nodes, with the largest being {size}.",
    ),
    nodes_by_group=(
        "Abnormal lymph nodes are seen: {groups}; largest {size}.",
        "There is nodal disease comprising {groups}. The largest node measures {size}.",
    ),
    node_group=("{count} {side} level {level} node{s}", "{count} in {side} level {level}"),
    extranodal=("Extranodal tumour extension is seen.", "There is evidence of extracapsular spread."),
    no_extranodal=("No extranodal spread is seen.", "Extranodal extension is not evident."),
    earlier=(
        "the prior exam described involvement of {place}.",
        "compared with the prior CT of 4 May, when it measured 9.3 cm, the mass is smaller.",
        "on the pre-treatment scan, there was invasion of {place}.",
    ),
    unseen=("assessment of {place} is degraded by artefact.", "{place} is not adequately visualised.", "{place} is not well seen."),
    sided=("the {side} {name}", "{side} {name}", "the {name} on the {side} side"),
    both=("both {name}s", "bilateral {name}s"),
    size_one=("{a} cm", "{a} mm", "about {a} cm", "{a} cm in greatest dimension"),
    size_two=("{a} x {b} cm", "{a} x {b} mm", "approximately {a} x {b} cm", "{a}cm x {b}cm"),
    names={
        "base_of_tongue": ("base of the tongue", "tongue base"),
        "valleculae": ("vallecula",),
        "buccal_mucosa_and_gingiva": ("buccal mucosa", "alveolar ridge"),
        "preepiglottic_space": ("preepiglottic space", "pre-epiglottic fat"),
        "esophagus": ("upper oesophagus", "cervical esophagus"),
        "prevertebral_space": ("prevertebral muscles", "prevertebral soft tissues"),
        "strap_muscles_thyroid_gland": ("strap musculature", "thyroid gland"),
        "carotid_arteries_ijv": ("internal carotid artery", "jugular vein", "carotid space"),
        "skull_base": ("skull base", "central skull base"),
        "pterygoid_muscles": ("pterygoid musculature", "lateral pterygoid muscle"),
        "orbit": ("orbit", "orbital floor"),
        "cranial_nerves": ("cranial nerves",),
        "intracranial_extension": ("intracranial compartment", "cavernous sinus"),
    },
)  # fmt: skip

TUNING_5 = Phrasing(
    frame=(
        "Contrast-enhanced CT of the neck\n\nClinical question: {background}\n\nFindings:\n\n{findings} {traps}\n\n{outside}\n\n"
        "Impression: Locally advanced disease.\n",
        "Type of examination: CT neck with contrast\nHistory: {background}\n\nDescription:\n{outside}\n{findings}\n{traps}\n\n"
        "Conclusion: See above.\n",
    ),
    background=("Tumour staging.", "Globus sensation, weight loss of 6 kg.", "Restaging after radiotherapy in 2021."),
    outside=("The mandible is intact.", "Atherosclerotic plaque of the aortic arch.", "Both maxillary sinuses are aerated."),
    mass=(
        "A strongly enhancing tumour, {size}, grows in {place}.",
        "In {place} there is a contrast-enhancing mass with a diameter of {size}.",
        "Tumour of {place} with an extent of {size}.",
        "The known tumour of {place} has a size of {size}.",
    ),
    involved=(
        "tumour has grown into {places}.", "broad infiltration of {places}.", "the carcinoma involves {places} as well.",
        "{places} are infiltrated.", "the tumour also reaches {places}.",
    ),
    involved_one=(
        "it extends as far as {places}.", "{places} is affected by tumour.", "tumour invasion of {places} is evident.",
        "there is destruction of {places}.",
    ),
    spared=("{places} are inconspicuous.", "no pathological findings in {places}.", "{places} are regular.", "{places} are not involved."),
    spared_or=(
        "no tumour in {places}.", "no indication of infiltration of {places}.", "the tumour respects {places}.",
        "an invasion of {places} cannot be seen.",
    ),
    spared_one=(
        "{places} is delineated normally.", "{places} is tumour-free.", "no contact with {places}.", "{places} is intact.",
        "{bare}: not involved.",
    ),
    equivocal=(
        "questionable infiltration of {places}.", "an infiltration of {places} cannot be ruled out.",
        "the tumour is directly adjacent to {places} with suspected infiltration.", "possibly infiltrated: {places}.",
    ),
    treated=(
        "oedematous swelling of {places} after radiotherapy.", "{places} is thickened as a sequela of radiotherapy.",
        "radiogenic oedema of {places}.",
    ),
    nerves=("Evidence of perineural tumour spread.", "There is perineural infiltration."),
    intracranial=("Tumour with intracranial extension.", "There is also intracranial involvement."),
    airway_open=("The airway is free.", "No relevant narrowing of the airway."),
    airway_narrow=("Relevant narrowing of the airway.", "The airway is displaced and narrowed."),
    tube=("Endotracheal tube in correct position.", "Patient with ET tube."),
    no_tube=("No endotracheal tube in place.", "No tube: ET tube has been removed."),
    no_nodes=("No suspicious lymph nodes.", "No evidence of lymph node metastases.", "No enlarged nodes in levels I to VI."),
    node=(
        "One suspicious lymph node in level {level} {side} ({size}).",
        "Lymph node metastasis in {side} level {level} measuring {size}.",
        "A necrotic node, {size}, lies in {side} level {level}.",
    ),
    nodes_together=(
        "In {side} level {level}, {count} lymph node metastases are present (largest {size}).",
        "{Count} suspicious lymph nodes in level {level} on the {side}, measuring up to {size}.",
    ),
    nodes_by_group=(
        "Lymph node metastases: {groups}. The largest is {size}.",
        "Suspicious lymph nodes, namely {groups}, with a maximum size of {size}.",
    ),
    node_group=("{count} in level {level} on the {side}", "{side} level {level}, {count} node{s}"),
    extranodal=("Signs of extranodal extension.", "Extracapsular spread is likely present and extranodal extension is seen."),
    no_extranodal=("No signs of extranodal extension.", "No extracapsular growth, no extranodal extension."),
    earlier=(
        "compared with the previous examination, in which the tumour measured 9.7 cm, there is a partial response.",
        "in the previous study the tumour extended to {place}.",
        "before treatment, {place} was infiltrated.",
    ),
    unseen=("{place} cannot be assessed because of metal artefacts.", "the assessment of {place} is impaired by swallowing artefacts."),
    sided=("the {side} {name}", "{side} {name}", "the {name} on the {side}"),
    both=("both {name}s", "the {name}s on both sides"),
    size_one=("{a} cm", "{a} mm", "maximum {a} cm"),
    size_two=("{a} x {b} cm", "{a} x {b} mm", "{a} by {b} mm"),
    names={
        "valleculae": ("vallecula",),
        "oral_tongue": ("oral tongue", "mobile tongue"),
        "tracheal_cartilages": ("trachea", "tracheal wall"),
        "strap_muscles_thyroid_gland": ("thyroid gland", "infrahyoid strap muscles"),
        "carotid_arteries_ijv": ("internal carotid artery", "common carotid artery", "internal jugular vein"),
        "prevertebral_space": ("prevertebral fascia", "prevertebral space"),
    },
)  # fmt: skip


HELD_OUT = Phrasing(
    frame=(
        "RADIOLOGY REPORT\nStudy: CT scan of the neck with contrast\n\nIndication: {background}\n\nFindings:\n{findings}\n\n"
        "{traps}\n\n{outside}\n\nConclusion:\nLocoregional disease as outlined above.\n",
        "CT NECK (CONTRAST)\n\nCLINICAL DETAILS: {background}\n\nREPORT:\n{traps} {findings}\n\n{outside}\n\nADVICE: MDT review.\n",
    ),
    background=(
        "Persistent sore throat, lesion seen at nasendoscopy.", "Proven malignancy, for radiotherapy planning.",
        "Two week wait referral with a neck lump.",
    ),
    outside=(
        "No bony destruction.", "Calcified granuloma at the right lung apex.", "The dentition is poor.",
    ),
    mass=(
        "There is a {size} solid enhancing lesion in {place}.",
        "A destructive tumour is demonstrated in {place} with a maximal dimension of {size}.",
        "The primary tumour is centred on {place} and measures {size}.",
        "Appearances are those of a malignancy of {place}, measuring {size}.",
        "Irregular enhancing mass of {place} measuring {size} is present.",
    ),
    involved=(
        "the mass also involves {places}.", "there is extension across {places}.", "the tumour is infiltrating {places}.",
        "tumour extends inferiorly to involve {places}.", "there is disease in {places}.", "{places} are all involved.",
    ),
    involved_one=(
        "{places} is encased by the mass.", "there is local invasion of {places}.", "the mass invades through {places}.",
        "there is also involvement of {places}.", "{places} is eroded.",
    ),
    spared=(
        "{places} are uninvolved.", "{places} appear normal.", "normal appearances of {places}.",
        "{places} are clear of disease.", "{places} have a normal CT appearance.",
    ),
    spared_or=(
        "no evidence of spread to {places}.", "there is no tumour involvement of {places}.",
        "the mass does not invade {places}.", "no suspicious abnormality in {places}.",
    ),
    spared_one=(
        "{places} appears intact.", "there is no erosion of {places}.", "{places} is spared by the tumour.",
        "a fat plane is maintained with {places}.", "{places} has a normal appearance.", "{bare}: clear.",
    ),
    equivocal=(
        "there may be early involvement of {places}.", "{places} is possibly involved.",
        "appearances raise the possibility of invasion of {places}.", "the tumour contacts {places}.",
    ),
    treated=(
        "there is post-radiotherapy oedema of {places}.", "swelling of {places} is likely treatment related.",
        "mucosal thickening of {places} in keeping with radiotherapy change.",
    ),
    nerves=("There is evidence of perineural spread of tumour.", "Perineural disease is seen, with perineural spread to V2."),
    intracranial=("There is tumour extension with intracranial spread.", "Intracranial extension is present."),
    airway_open=("The airway is preserved.", "No airway obstruction, the airway is patent."),
    airway_narrow=("The airway is significantly narrowed.", "There is airway compromise."),
    tube=("There is an endotracheal tube in situ.", "ET tube in satisfactory position."),
    no_tube=("No endotracheal tube.", "An endotracheal tube is not present."),
    no_nodes=(
        "No enlarged cervical lymph nodes.", "There is no evidence of nodal metastasis.",
        "No pathological cervical lymphadenopathy.", "No significantly enlarged lymph nodes in the neck.",
    ),
    node=(
        "There is a pathological lymph node in {side} level {level} measuring {size}.",
        "An enlarged {side} level {level} node measures {size}.",
        "Single {side} level {level} lymph node metastasis measuring {size}.",
    ),
    nodes_together=(
        "{Count} pathological lymph nodes are present in {side} level {level}, the largest of which measures {size}.",
        "There are {count} enlarged {side} level {level} lymph nodes, measuring up to {size}.",
    ),
    nodes_by_group=(
        "There is cervical lymphadenopathy with {groups}. The largest node measures {size}.",
        "Pathological lymph nodes: {groups}, the largest {size}.",
    ),
    node_group=("{count} {side} level {level} node{s}", "{count} lymph node{s} in {side} level {level}"),
    extranodal=("There is radiological extranodal extension.", "Features are in keeping with extranodal extension."),
    no_extranodal=("No radiological extranodal extension.", "There is no extracapsular spread."),
    earlier=(
        "on the previous MRI there was involvement of {place}.",
        "the tumour has reduced in size since the previous scan, when it measured 8.9 cm.",
        "previous imaging showed disease in {place}.",
        "the prior CT reported tumour in {place}.",
    ),
    unseen=("{place} cannot be evaluated due to dental artefact.", "{place} is obscured by artefact."),
    sided=("the {side} {name}", "{side} {name}", "the {name} on the {side}"),
    both=("both {name}s", "bilateral {name}s"),
    size_one=("{a} cm", "{a} mm", "{a}cm"),
    size_two=("{a} x {b} cm", "{a} x {b} mm", "{a} x {b}mm"),
    names={
        "tonsil": ("palatine tonsil", "tonsil", "tonsillar fossa"),
        "oral_tongue": ("oral tongue", "lateral tongue"),
        "buccal_mucosa_and_gingiva": ("buccal mucosa", "gingiva"),
        "false_cords": ("false cord", "false vocal cord"),
        "vestibule": ("laryngeal vestibule",),
        "esophagus": ("cervical oesophagus", "upper oesophagus"),
        "tracheal_cartilages": ("trachea",),
        "carotid_arteries_ijv": ("common carotid artery", "internal carotid artery", "internal jugular vein"),
        "prevertebral_space": ("prevertebral fascia", "prevertebral muscles"),
        "strap_muscles_thyroid_gland": ("strap muscles", "thyroid gland"),
    },
)  # fmt: skip
