"""Words that make a statement, by what they do in a clause: deny, doubt, say that tumour grows, that a place is normal.

The kinds are those of ConText (Harkema et al. 2009, DOI 10.1016/j.jbi.2009.05.002): words that trigger a meaning, words
that end its reach, words that only look like one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

from hyoid.report.free_text.vocabulary import MASS_WORDS, NODE_WORDS, Mention, Term, mentions_in


class Kind(StrEnum):
    """Part that a stretch of words plays in its clause."""

    PLACE = "place"
    VERB = "verb"  # governs what follows: "involves"
    DONE = "done"  # a predicate: "infiltrated"; governs what stands before it, or follows it at once
    NOUN = "noun"  # "invasion"; governs what follows a preposition, else what stands before it
    DENY = "deny"
    HEDGE = "hedge"
    OPEN = "open"  # doubt that looks back: "cannot be excluded"
    GONE = "gone"  # denial that looks back: "is not seen"
    TREATED = "treated"
    BE = "be"
    SHOW = "show"
    WHICH = "which"
    WITH = "with"
    BUT = "but"
    AND = "and"
    COMMA = "comma"
    STOP = "stop"
    COLON = "colon"
    BESIDE = "beside"  # "at the level of": what follows is a landmark
    PREPOSITION = "preposition"
    SIDE = "side"
    NODE = "node"
    SIZE = "size"
    WORD = "word"


class Sense(StrEnum):
    """Sense of a verb, predicate or noun about a place."""

    INVADE = "invade"
    MASS = "mass"
    WEAK = "weak"  # effaced, reached, replaced: tumour, unless it is denied right behind
    TOUCH = "touch"
    SOFT = "soft"  # oedema, swelling: tumour or not
    FREE = "free"  # "spared", "clear": said of tumour
    NORMAL = "normal"
    UNSEEN = "unseen"
    FINDING = "finding"  # "perineural spread": a place and what is said of it in one


@dataclass(frozen=True)
class Token:
    """Stretch of words with its part in the clause.

    Parameters
    ----------
    kind : Kind
        Part that the words play in their clause.
    start, end : int
        Range of characters in the plain sentence.
    text : str
        The words themselves.
    sense : Sense or None
        What verbs, predicates and nouns say of a place; None for other words.
    term : Term or None
        Entry of the vocabulary, for a place; None for other words.
    """

    kind: Kind
    start: int
    end: int
    text: str
    sense: Sense | None = None
    term: Term | None = None

    @property
    def speaks(self) -> bool:
        """Whether it says something of a place."""
        return self.sense is not None


BE = r"is|are|was|were|be|been|being|appears?|appeared|remains?|remained|looks?|seems?|becomes?"
_PLANE = r"(?:(?:fat(?:ty)?|tissue|cleavage|intervening|clear|normal|surrounding|adjacent|clean) ?){0,2}planes?(?: of (?:separation|cleavage))?"
_SEEN = r"(?:seen|identified|demonstrated|present|evident|noted|appreciated|visible|detected|found|observed|apparent|recogni[sz]ed|delineated|shown|depicted|measurable|discernible|recogni[sz]able|detectable|distinguishable|perceptible|to be seen|there)"
_TREATMENT = (
    r"(?:chemo-?radi\w+|chemorads?|radio-?chemo\w+|radi(?:ation|otherapy|otherapeutic)\w*|irradiation|x?rt|crt|ccrt|treatments?|therap(?:y|ies|eutic)|proton(?: therapy)?|photon(?: therapy)?|imrt|laser|tors|brachy\w*|cisplatin|immuno\w+|"
    r"chemo\w*|surg(?:ery|ical)|operati(?:on|ve)|resection)"
)

# A word between the parts of a verb; never one that denies or doubts, which must stay a word of its own.
_ADVERB = (
    r"(?:(?!no\b|not\b|never\b|prob|poss|likel|presum|poten|susp|quest|appar|conceiv|may\b|might\b|hardly|barely)\w+ )?"
)

_SPEAKING: tuple[tuple[Kind, Sense, str], ...] = (
    (
        Kind.VERB,
        Sense.INVADE,
        rf"(?:has|have|had) {_ADVERB}(?:invaded|involved|infiltrated|breached|eroded|destroyed|encased|replaced|penetrated|transgressed|occluded)(?= (?:the|both|left|right|\u00a7))|"
        r"involv(?:es?|ing)|infiltrat(?:es?|ing)|invad(?:es?|ing)|erod(?:es?|ing)|destroy(?:s|ing)?|encas(?:es?|ing)|"
        r"transgress(?:es|ing)?|permeat(?:es?|ing)|breach(?:es|ing)?|penetrat(?:es?|ing)|engulf(?:s|ing)?|affect(?:s|ing)?|"
        r"occlud(?:es?|ing)|replac(?:es|ing)|travers(?:es|ing)|occup(?:ies|ying)|straddl(?:es|ing)|permeating|fill(?:s|ing)|"
        r"(?:cent(?:re|ere|er)d|epicent(?:re|ere|er)d|based|localised|localized) (?:in|on|at|within|upon)?|arising(?: from| in)?|arises(?: from| in)?|originat(?:es|ing)(?: from| in)?|"
        rf"epicent(?:re|er) (?:in|on|at|within)|gr(?:ow(?:s|n|ing)?|ew) {_ADVERB}(?:in ?to|through|across|along)|pass(?:es|ing)? {_ADVERB}(?:into|through)|"
        r"burst(?:s|ing)?(?= (?:the|their|its|\u00a7))|(?:break(?:s|ing)?|broken|broke|burst(?:s|ing)?|ruptured|pushed|punched) (?:out )?(?:through|in ?to|out of)|up to and including|(?:involved|affected|infiltrated|invaded|diseased) (?:structures|sites|sub-?sites|areas|regions) (?:include|are|being)|(?:disease|tumou?r|lesion|mass|growth|involvement|cancer|carcinoma) (?:is |appears |remains |seems )?(?:limited|restricted|confined|localised|localized) to|(?:eat(?:s|ing|en)?|burrow(?:s|ing|ed)?|erod(?:es?|ing) (?:its way )?) (?:its way )?(?:in ?to|through)|grown (?:right )?(?:in ?to|through|across)|(?:gone|went|got|gotten|crept|moved|pushed|advanced|made its way|found its way) (?:right |well |deep |straight )?(?:in ?to|through|across)|wrap(?:s|ped|ping)? (?:itself )?(?:a?round)|(?:has |have )?spread (?:in ?to|onto|over to)|works? its way into|takes? in|invests|englob(?:es?|ing)|interest(?:s|ing) (?=the|both|left|right|\u00a7)|compromis(?:es|ing)|narrow(?:s|ing)(?= the)",
    ),
    (
        Kind.VERB,
        Sense.WEAK,
        rf"(?:extended|crossed|spread|grown|tracked) {_ADVERB}(?:in ?to|across|along|through|to)|(?:has|have) {_ADVERB}(?:reached|effaced|obliterated)(?= (?:the|both|left|right|\u00a7))|exten(?:ds?|ding)(?! (?:from|for|over) \d)|reach(?:es|ing)?|spread(?:s|ing)?|encroach(?:es|ing)?|effac(?:es?|ing)|obliterat(?:es?|ing)|"
        rf"cross(?:es|ing)? (?:in)?to|crosses|crossing|cross(?= the\b)|track(?:s|ing)|surround(?:s|ing)|tether(?:s|ing)|go(?:es|ing) {_ADVERB}(?:to|into|through|across|up to)|com(?:es|ing) up to|runs? (?:in)?to|continu(?:es|ing) (?:in)?to|passes to|"
        r"(?:bulg|protrud)(?:es|ing) into|as far as|spill(?:s|ing|ed)? (?:over )?(?:on ?to|in ?to)|transgress(?:es|ing)? (?:in)?to|arriv(?:es?|ing) (?:at|in|to)|(?:exten\w+|go(?:es|ing)|grow\w*|spread\w*|creep\w*) up (?:in)?to|(?:climb|creep|descend|ascend)(?:s|ing) (?:in)?to|tips? over into|interrupt(?:s|ing)|gr(?:ow(?:s|ing)?) (?:up )?to(?:wards?)?",
    ),
    (
        Kind.VERB,
        Sense.TOUCH,
        r"abut(?:s|ting|ment)?(?: (?:on|against))?|exten(?:ds?|ding|sion)(?: \w+)? towards?|towards|(?:directly|immediately|closely) adjacent to|in (?:close |direct |broad )?(?:contact|relation(?:ship)?|proximity) (?:with|to)|contacts?(?: with)?|contacting|touch(?:es|ing)?|"
        r"close(?:ly)? (?:to|related to|applied to)|(?:com(?:es?|ing)|sits?|lies|goes|runs) (?:right )?up (?:to|against)|(?:rest|lean|push|press)(?:s|es|ing)? (?:up )?(?:on|against)|arriv(?:es?|ing) (?:in|at) (?:the )?contact (?:of|with)|in contact of|(?:approach|near)(?:es|ing)|(?:is |are )?approached(?= by)|l(?:ies?|ying) against|comes? to lie (?:against|on|at)|against|inseparable from|"
        r"(?:not|can not be) (?:\w+ )?(?:separable|separated|distinguishable|delineated|demarcated|distinguished) from|"
        r"not (?:\w+ )?(?:separately )?(?:visuali[sz]ed|seen|identified|identifiable) (?:separately )?from|"
        r"adherent to|fixed to|contiguous with|merg(?:es|ing) with|indent(?:s|ing)|compress(?:es|ing)|displac(?:es|ing)|impress(?:es|ing)|"
        rf"(?:loss|obliteration|effacement|blurring|absence|abolition|lack) of (?:the )?{_PLANE}(?: between)?(?: (?:with|around|to))?|(?:ill-?defined|indistinct|blurred|lost|effaced|obliterated|no|absent) {_PLANE} (?:(?:is |are )?\w+ )?(?:with|to|between|towards?)|"
        rf"(?:without|no) (?:(?:clear|definite|identifiable|visible|preserved) )*(?:fat )?(?:plane|border|demarcation|line)(?: of (?:separation|cleavage))?(?: (?:with|to|from|between))?",
    ),
    (
        Kind.VERB,
        Sense.FREE,
        r"(?:spared|uninvolved|unaffected|clear|normal|free) (?:structures|sites|sub-?sites|areas|regions) (?:include|are|being)|(?:no|not any|nothing|never any) (?:\w+ )?(?:trouble|problems?|issues?|concerns?|worr\w+|harm|damage|fault|wrong|amiss|untoward|abnormal|suspicious|sinister|unusual) (?:is seen |seen )?(?:with|in|at|around|about|to|of)|spar(?:es?|ing)(?: of)?|(?:keep|stay|remain|stand)(?:s|ing)? (?:well )?(?:clear|away|short) (?:of|from)|(?:does|do|did) not (?:quite )?(?:touch|reach)(?: as far as)?|leav(?:es?|ing)(?= the [^;]*(?:alone|untouched|free|intact))|respect(?:s|ing| of)|(?:stop|fall|end|halt)(?:s|ing)? short of|preserv(?:es?|ing)|preservation of|"
        rf"(?:clear|free|preserved|intact|maintained|clean) {_PLANE} (?:(?:is|are) \w+ )?(?:with|to|from|between|around)|{_PLANE} (?:is|are) (?:\w+ )?(?:preserved|maintained|intact|clear) (?:with|to|around|from)|"
        r"(?:clearly |well )?separate(?:d)? from|away from|distant from|remote from",
    ),
    (
        Kind.DONE,
        Sense.INVADE,
        rf"(?:thickened|filled|replaced|expanded|widened|occupied|destroyed|distorted|obliterated|effaced|taken up|deformed|swollen) (?:by|with) (?:(?:the|this|an?|enhancing|large|small|solid|infiltrating|ulcerated|bulky|necrotic|exophytic|known|same) )*(?:{MASS_WORDS})|takes? part|participates?|co-involved|involved|infiltrated|invaded|eroded|destroyed|encased|breached|penetrated|occluded|thrombosed|diseased|engulfed|affected|"
        r"in(?=\s*(?:[.,;)]|$))|(?:part of|full of|packed with|caught up in|caught in|swallowed up by|lost to) (?:it|this|(?:the )?(?:tumou?r|growth|disease|process|mass|cancer))|caught|burst|positive|eaten away|(?:taken over|overrun) by|wrapped|interested by|replaced by|rimmed by tumou?r|lysis\+|ruptured|traversed|overgrown|filled|pathological(?:ly)? altered|diseased|amputated|lysed|crossed|tumou?r-?bearing",
    ),
    (
        Kind.DONE,
        Sense.WEAK,
        r"effaced|obliterated|no longer preserved|narrowed|(?<=\u00a7 )(?:is |now )?(?:down|reduced) to(?= (?:about |approx |only |just )?\d)|compromised|replaced|reached|abnormal|interrupted|abolished|lost|obstructed|stenosed|hypermetabolic|fdg[- ]avid|constricted",
    ),
    (
        Kind.DONE,
        Sense.TOUCH,
        r"approached|surrounded(?= (?:for|by|over|more|completely|circum|\d))|abutted|contacted|displaced|compressed|indented|indistinct|adherent|fixed|tethered|splayed|deviated|in contact|distorted|deformed|"
        r"ill[- ]defined|inseparable|pushed|flattened",
    ),
    (
        Kind.DONE,
        Sense.SOFT,
        r"thickened|o?edematous|swollen|asymmetric(?:al)?|prominent|bulky|enlarged|hyperenhancing|stranded|atrophic|atrophied|"
        r"sclerotic|sclerosed|involuted|re-?expanded|grey|gray|smudged|dirty|misty|heterogeneous|irregular(?= ?(?:[.,;)]|$))|hazy|reticulated|puffy|congested|shrunken|shrunk|(?:small|thick)(?= ?(?:[.,;)]|$|and\b|as\b|after\b|from\b|due\b))|hyperemic|hyperaemic|hypertrophied|expanded|fibrotic|full|fatty(?! tissue)|hypertrophic|bulging|inflamed|scarred",
    ),
    (
        Kind.DONE,
        Sense.FREE,
        r"(?:keep|retain|maintain|preserve|conserve)(?:s|ing|ed)? (?:its|their|an?|the) (?:own |normal |usual |surrounding |intervening |clear )*(?:fat(?:ty)?(?: planes?| layer| cuff| signal)?|planes?|contours?|margins?|signal|shape|marrow|outline|architecture|cortex|interface)|(?:fat|fatty|separation|cleavage) (?:lines?|stripes?|layers?|cuffs?|rims?|interfaces?|planes?) (?:\w+ )?(?:kept|preserved|maintained|intact|present|seen|visible|remains?|persists?)|(?:has|have|had) nothing to do with (?:it|this|that|the \w+)|(?:stay|keep|remain)s? out of (?:it|this)|not caught|holds?(?= ?(?:[.,;)]|$))|held(?= ?(?:[.,;)]|$))|clear of (?:it|this|the (?:growth|disease|mass|lesion|process|primary))|untouched|not touched|indemn\w*|left alone|unharmed|uncompromised|unscathed|safe|respected|undestroyed|not reached|spared|free(?: of (?:tumou?r|disease|infiltration|invasion|involvement))?|clear(?: of (?:tumou?r|disease))?|uninvolved|uninfiltrated|uninvaded|unaffected|respected|disease[- ]free|tumou?r[- ]free|uneroded",
    ),
    (
        Kind.DONE,
        Sense.NORMAL,
        r"(?:grossly |otherwise )?normal(?:ly)?(?: (?:in (?:(?:appearance|size|calibre|caliber|morphology|enhancement|attenuation|density|signal|contour|position|configuration|thickness|outline|course|shape)(?:,? and |, )?)+|limits|looking|appearing|study))?|unremarkable|inconspicuous|maintained|preserved|intact|patent|"
        r"within normal limits|(?:small|large|prominent) (?:and|but) (?:equal|symmetric(?:al)?)|equal(?: in size)?|not remarkable|wnl|undisturbed|uncompromised|adequate|symmetric(?:al)?|nad|healthy|pristine|"
        r"silent|cold|non-?avid|not (?:fdg[- ])?avid|photopenic|unobstructed|unaltered|(?:wide|roomy|ample|patulous|wide open|well open|widely patent)(?= ?(?:[.,;)]|$|and\b))|(?:good|tidy|calm)(?= ?(?:[.,;)]|$|and\b))|satisfactory|pervious|in order|nothing (?:abnormal|remarkable|unusual|of note|wrong|to report)|no comment|trouble-?free|well preserved|well maintained|well visuali[sz]ed|beautifully preserved|perfectly (?:normal|healthy)|as expected for age|conserved|without lesions?|without nodules?|unexceptional|non-?contributory|nl|bland|innocent|uneventful|free of abnormality|without (?:alterations?|abnormalit\w+|particularit\w+|anomal\w+|pathological findings?|findings|changes?)|regular(?! (?:margin|border))|delineated normally|clean|"
        r"separate|permeable|freely perfused|perfused|of normal \w+|well (?:aerated|pneumati[sz]ed|defined)|aerated|open|physiologic(?:al)?|smooth|homogeneous|quiet|ok|okay|fine|in order",
    ),
    (
        Kind.DONE,
        Sense.UNSEEN,
        r"(?:(?:not|poorly|incompletely|inadequately|suboptimally) )(?:(?:adequately|clearly|completely|fully|well|optimally|reliably|entirely|properly) )*"
        r"(?:imaged|delineated|depicted|covered|visuali[sz]ed|assess\w*|evaluat\w+|included|demonstrated|scanned|interpretable)(?: from)?|"
        r"not (?:adequately|completely|fully|optimally|reliably|well) seen|degraded|non-?diagnostic|limited(?: by| due)?|"
        r"(?:poorly|incompletely|inadequately|suboptimally) seen|(?:difficult|hard) to (?:assess|evaluate|judge)|"
        r"can not be (?:\w+ )?(?:assess|evaluat|comment|visuali|delineat|apprais)\w*|obscured|outside the field|surgically absent|resected|excised|removed|"
        r"status post|absent|amputated surgically|masked|sacrificed|reconstructed|opacified",
    ),
    (
        Kind.NOUN,
        Sense.INVADE,
        r"involvement|infiltrations?|invasion|erosions?|destruction|lysis|encasement|occlusion|breach|penetration|transgression|permeation|"
        r"(?:cortical|bone|bony) loss|(?:tumou?r |exophytic |submucosal )?components?|affectation|affection(?= of)|ingrowth|osteolysis|rupture|perforation|cortical break|lytic change|inv\b|thrombosis|infiltrate|growth(?= into)|tumou?r (?:spread|extension|growth|invasion|infiltration)|compromise|obstruction|stenosis|narrowing",
    ),
    (
        Kind.NOUN,
        Sense.WEAK,
        r"loss of (?:the )?(?:normal )?(?:outline|contour|definition|architecture|marrow signal|fat signal|signal|fat|delineation)|extensions?|spread|encroachment|effacement|obliteration|replacement|filling|propagation",
    ),
    (
        Kind.NOUN,
        Sense.MASS,
        rf"epicent(?:re|er)(?= ?:)|(?:enhancing )?soft[- ]tissue (?:mass|thickening|component|lesion)|space-occupying lesions?|{MASS_WORDS}|disease|deposits?|recurrences?|abnormalit(?:y|ies)|(?:pathological|abnormal|focal) (?:findings?|enhancement)|patholog(?:y|ies)|"
        r"(?:(?:intense|avid|increased|marked|focal|abnormal|contiguous|extensive|pathological|hypermetabolic|suspicious|significant|fdg|tracer|high|new|strong) )*(?:uptake|tracer|avidity|hypermetabolism|activity|accumulation|focus|foci)|"
        r"(?:fdg[- ]avid|hypermetabolic|avid) (?:\w+ ){0,2}thickening|restricted diffusion|residuum|(?:residual|recurrent|persistent|viable|active|metabolically active) (?:tumou?r|disease|mass|lesion|neoplas\w+|malignancy|carcinoma|scc)",
    ),
    (Kind.NOUN, Sense.TOUCH, r"contact|compression|displacement|deviation|abutment|indentation"),
    (
        Kind.NOUN,
        Sense.SOFT,
        r"(?:abnormal|altered|pathological)(?: \w+){0,3} signal|signal (?:changes?|abnormalit\w+|alterations?)|(?:mucosal )?thickening|o?edema|swelling|asymmetry|fullness|prominence|(?:fat )?stranding|enlargement|enhancement|sclerosis|atrophy|"
        r"(?:residual |few |some )?strands?|scars?|sequela\w*|myositis|mucositis|radionecrosis|chondronecrosis|chondritis|(?<!mass )effects?(?! on)|involution|reticulation|haziness|o?edematous change|sialadenitis|ulceration|irregularity|asymmetry|nodularity|fullness|bulkiness|fibrosis|hyperenhancement|mucositis|hypertrophy|denervation|induration|scarring|calcifications?|widening|alterations?|changes?|"
        r"(?:mild|diffuse|low[- ]grade|faint|minimal|slight|non-?specific)(?:,? (?:mild|diffuse|low[- ]grade|faint|fdg|tracer|post[- ]?\w+))* (?:uptake|activity)",
    ),
    (
        Kind.NOUN,
        Sense.NORMAL,
        r"complete (?:metabolic |radiolog\w+ |morpholog\w+ )?(?:response|remission|regression)|physiologic(?:al)? (?:uptake|activity|distribution)|normal (?:uptake|activity|appearances?|configuration|signal|calibre|caliber)|symmetry|integrity|respect(?= of)|permeability|conservation|preservation(?= of)|normality",
    ),
)
_OTHER: tuple[tuple[Kind, str], ...] = (
    (
        Kind.WORD,  # words that look like something else
        rf"(?:probably|possibly|likely|presumably|most likely|maybe|perhaps|suspected|favou?red to be|felt to be|thought to be|may be|might be|could be) (?:from|due to|because of|secondary to|related to|reactive|obstructive|inflammatory|benign|artefact\w*|artifact\w*|volume averaging|dental|displacement|congestion|obstruct\w+|incidental|chronic|congenital|simply|just)(?! (?:the |a |an )?(?:{MASS_WORDS}))|tumou?r[- ]suspect(?:ed)?|suspicious(?=(?: \w+){0,2} (?:mass|lesion|tumou?r|growth)\b)|clear(?= (?:signs?|evidence|indication|infiltration|invasion|involvement|extension|contact|demarcation|delineation|separation|mass|lesion)\b)|post-? ?contrast|contrast[- ]enhanced|normal variant|clear cell|free (?:edge|margin|flap)|normal[- ]sized|not only|"
        r"no (?:interval |significant |relevant )?change|(?:extended|extent|extending) (?:from|superior|inferior)\w*(?= (?:to|by) \d)|open mouth|normal hil\w+|fatty hil\w+|"
        r"smooth (?:contour|margin|border)s?|normal size|no\. ?\d|mass effect|involuntary|mucosal disease|sinus disease|dental disease|degenerative (?:disease|changes?)|lung disease|disc disease|(?:(?:treated|former|prior|original|resected|known|irradiated) )*(?:tumou?r|primary tumou?r|operative|surgical|resection) (?:bed|cavity|site)",
    ),
    (
        Kind.DENY,
        r"(?:no|without) (?:evidence|signs?|suspicion|suggestion|features|indication|data|proof|findings?|doubt) (?:of|for|that)|no longer|no|not|without|neither|never|(?:in the )?absence of|lack of|negative for|devoid of|free (?:of|from)|clear of(?! tumou?r| disease)|fail(?:s|ed) to|"
        r"resolution of|complete resolution of|nothing to (?:suggest|indicate|say|point to|imply)(?: that)?|no(?:t any)? (?:\w+ )?(?:reason|grounds) to (?:think|suspect|believe)|(?:argu|speak|militat|count)(?:s|es|ing|e)? (?:rather )?against(?: (?:an?|its|any))?|nil|nor|none|exclud(?:es|ing)|rather than|instead of|(?:far from|anything but)(?= (?:normal|unremarkable|intact|healthy|symmetric\w*)\b)",
    ),
    (
        Kind.HEDGE,
        r"seems?(?=(?: \w+ly)? (?:infiltrated|invaded|involved|reached|eroded|encased|affected|diseased|encroached)\b)|not (?:being )?(?:possible|able) to (?:discard|exclude|rule out|dismiss)|without (?:being able|it being possible) to (?:discard|exclude|rule out)|likely|probabl[ey]|possibl[ey]|possibility of|(?:highly )?suspicio(?:us|n)(?: (?:of|for))?|suspected|suspect|suggest(?:s|ed|ing|ive)?(?: of)?|questionabl[ey](?= \w)|presumabl[ey]|presumed|conceivabl[ey]|"
        r"rais(?:es?|ing|ed) (?:the )?(?:possibility|question|concern|suspicion)(?: of| for| that)?|(?:in|a) question|(?:(?:is|are) )?(?:favou?red|preferred|likelier|more likely|more probable) (?:over|than|to)(?! be)|(?:favou?r(?:s|ed|ing)?|prefer(?:red)?)(?! over)|looks? like|seems?(?: to me)? to(?= (?:\w+ )?(?:involve|invade|infiltrate|reach|extend|be|cross|erode|grow))|compatible with(?= (?:early|possible|initial))|query|suggestion(?:s)?(?: of)?|(?:a )?hint(?:s)? of|suspect(?:ed)? for|maybe|perhaps|presumptive(?:ly)?|at (?:least )?risk of|threaten\w*|apparently|in doubt|dubious|ambiguous|(?:more|most|less) likely|candidate for|raise|could represent|impression of|not convincing(?:ly)?|unconvincing|question of|equivocal(?:ly)?(?: for)?|may(?: be)?|might(?: be)?|could(?: be)?(?! not)|concern(?:ing)? (?:for|of|about)|worrisome for|uncertain(?:ly)?(?= \w)|doubtful|borderline|potential(?:ly)?|apparent(?= \w)|"
        r"can not (?:\w+ )?(?:exclude|rule out|discard|dismiss)|(?:to )?(?:exclude|rule out)|to (?:discard|dismiss)|unclear(?= \w)|indeterminate(?= for)|(?:difficult|hard|impossible) to (?:exclude|rule out)|subtle|versus|vs|query(?:ing)?|questioning",
    ),
    (
        Kind.OPEN,
        r"(?:can|could|may) ?not be (?:\w+ )?(?:excluded|ruled out|cleared)|(?:can|could) ?not be (?:\w+ly )?(?!seen|identif|demonstr|detect|found|assess|evaluat|visuali|delineat|apprais|separat|distinguish|demarcat)\w+(?:ed|nt|out)|not (?:be )?(?:\w+ )?(?:excluded|ruled out)|(?:difficult|hard|impossible) to (?:exclude|rule out)|"
        r"(?:is |are )?to be (?:assumed|suspected|considered|presumed)|(?:should|must|has to|have to|needs? to|ought to) (?:also )?be (?:considered|excluded|ruled out|suspected|kept in mind|entertained|feared)|unproven|unconfirmed|(?:is|are|remains?|seems?|appears?|being) (?:\w+ )?(?:suspected|possible|likely|probable|questionable|equivocal|indeterminate|uncertain|unclear|doubtful|suspicious|conceivable|debatable|borderline)(?=\s*(?:[.,;)?]|$|-|and\b|for\b|but\b|in\b|on\b|at\b|due\b|that\b|with\b|of\b))|"
        r"suspected|questionable|equivocal|indeterminate|uncertain|unclear|an? (?:real |distinct |definite |strong |remote |slight )?(?:possibility|concern|worry|consideration)|undecided|unresolved|debatable|moot|inconclusive|non-?diagnostic|non-?conclusive|not conclusive|at issue|open to (?:question|doubt|debate)|(?:of )?(?:uncertain|unclear|indeterminate|doubtful|questionable|unknown|undetermined) (?:significance|nature|aetiology|etiology|relevance|origin)|(?:not|un)(?: ?(?:entirely|completely|quite|absolutely|altogether|wholly|fully))? (?:sure|convinced|convincing|clear|safe to call)|possible|suspicious|not (?:\w+ )?certain|(?:is|was) not (?:the case|so|true|correct)|(?:not|never) (?:be )?(?:confirm(?:ed)?|corroborated?|substantiated?|borne out)|partially resolved|(?:largely|partly|nearly|mostly|incompletely|almost completely) (?:resolved|regressed)",
    ),
    (
        Kind.GONE,
        rf"(?:none|nil) {_SEEN}|(?:{BE})? ?(?:not|no longer|never) (?:(?:\w+ly|been|be|clearly) )*{_SEEN}|(?:can|could) ?not be (?:\w+ )?(?:seen|identified|demonstrated|detected|found)|excluded|ruled out|(?:completely |entirely |fully )?resolved|"
        r"negative|none|nil|-ve|not (?:\w+ )?to be (?:assumed|suspected|presumed|expected|inferred|supposed|postulated)|(?:was|were|is|are|been) (?:not|no longer) (?:suspected|expected)|not suspected|denied|disappeared|vanished|(?:completely |fully |entirely )regressed|gone(?=\s*(?:[.,;)]|$))|no(?= ?[.,;)]?$)",
    ),
    (
        Kind.TREATED,
        rf"radiogenic|actinic|\( ?(?:rt|xrt|crt|ccrt) ?\)|xrt|(?:x?rt|crt)[- ]related|attribut\w+ to (?:\w+ ){{0,2}}{_TREATMENT}|(?:as )?(?:usual|expected) (?:after|following) {_TREATMENT}|(?:the |his |her |this |previous |prior )?(?:radiation|radiotherapy|irradiation|chemo-?radi\w+|treatment|surgery|operation) (?:has|have|had|did|does|caus\w+|left|leaves|made|makes|produc\w+|explains?|accounts? for)|(?:explained|caused|produced|induced|brought about) by (?:\w+ ){{0,2}}{_TREATMENT}|attributed to (?:\w+ ){{0,2}}{_TREATMENT}|(?:expected|usual|known|typical) (?:post|after|following|treatment|radiation)[- ]?\w*|(?:secondary to|due to|following|after|attributable to|related to|caused by|from|because of|as a result of|consistent with|compatible with|in keeping with) (?:\w+ ){{0,2}}{_TREATMENT}|"
        rf"post-? ?(?:{_TREATMENT}|ct/rt|op|actinic|radiation|irradiation|radiotherapeutic|treatment|therapeutic)\w*(?: (?:related|status))?|treated|"
        rf"{_TREATMENT}[- ](?:induced|related|associated)|{_TREATMENT}(?=[- ](?:\w+ )?(?:changes?|effects?|sequela\w*|fibrosis|o?edema|scar(?:ring)?|thickening|swelling|atrophy|\w+itis)\b)|(?:sequela\w*|consequences?|effects?) (?:of|after) (?:\w+ )?{_TREATMENT}|"
        r"(?:reactive|inflammatory)(?: (?:changes?|o?edema|thickening))?|treatment[- ]related|radiation(?= o?edema)",
    ),
    (Kind.SHOW, r"holds?|bears?|carries|hosts|shows?|showing|demonstrates?|demonstrating|has|have|reveals?|revealing|harbou?rs?|contains?|displays?|exhibits?|presents(?= with)|there (?:is|are)|with there"),
    (Kind.BE, BE),
    (Kind.WHICH, r"which|that|where|who"),
    (Kind.WITH, r"with|including|plus"),
    (Kind.BUT, r"but|however|while|whilst|whereas|although|though|except(?: for)?|apart from|aside from|other than|yet|save for|nevertheless"),
    (Kind.AND, r"and|or|as well as|along with|together with|&|/|\+|and/or"),
    (
        Kind.BESIDE,
        r"(?:at |to |up to |down to )?(?:the )?level of|below|above|caudal to|cranial to|anterior to|posterior to|lateral to|medial to|adjacent to|behind|beside|superficial to|deep to|near|next to|beneath|between|inferior to|superior to|"
        r"(?:upper|lower|inferior|superior|anterior|posterior) (?:border|margin|edge|end|limit|aspect) of|plane of|direction of|distance (?:to|from)|\d+(?:[.,]\d+)? ?(?:mm|cm) (?:away )?(?:from|of|off|short of)|behind the",
    ),
    (Kind.PREPOSITION, r"of|in|into|to|onto|on|across|along|through|within|at|over|beyond|for|from|upto|up to|by|inside|throughout"),
    (Kind.SIDE, r"right(?:[- ]sided?)?|left(?:[- ]sided?)?|bilateral(?:ly)?|both(?: sides)?"),
    (Kind.SIZE, r"\d+(?:[.,]\d+)?(?: ?x ?\d+(?:[.,]\d+)?)* ?(?:cm|mm)"),
    (Kind.NODE, rf"{NODE_WORDS}|conglomerates?|nodal mass(?:es)?"),
)  # fmt: skip
_PUNCTUATION = (
    (Kind.HEDGE, r"\?(?= ?[a-z\u00a7])"),
    (Kind.OPEN, r"\?"),
    (Kind.COMMA, r","),
    (Kind.STOP, r";|\.(?!\d)|\u2192"),
    (Kind.COLON, r":| - |- (?=\w)|\||="),
)

PATTERNS = tuple(row[-1] for row in (*_SPEAKING, *_OTHER))
"""Every pattern, for those that must know which words are spelled right."""


@cache
def _master() -> tuple[tuple[Kind, Sense | None, re.Pattern[str]], ...]:
    rows: list[tuple[Kind, Sense | None, re.Pattern[str]]] = []
    for kind, sense, pattern in _SPEAKING:
        rows.append((kind, sense, re.compile(rf"(?<![\w-])(?:{pattern})(?![\w]|-free)")))
    for kind, pattern in _OTHER:
        rows.append((kind, None, re.compile(rf"(?<!\w)(?:{pattern})(?!\w)")))
    for kind, pattern in _PUNCTUATION:
        rows.append((kind, None, re.compile(pattern)))
    return tuple(rows)


_FINDING = re.compile(
    r"peri-?neural(?: tumou?r)? (?:spread|extension|invasion|involvement|disease|infiltration|growth|carcinomatosis)|pni|(?:intra|endo)-? ?cranial (?:extension|spread|invasion|involvement|component|disease|growth)|(?:extra|peri)-? ?nodal|extra-? ?capsular|ene|ecs|ece|"
    r"capsul\w+ (?:rupture|breach|invasion|penetration)|(?:ruptured|broken|breached) capsules?|airway (?:compromise|obstruction|narrowing|stenosis)"
)
_ANY_WORD = re.compile(r"[\w'%.-]*\w|\S")


def tokens_in(words: str) -> list[Token]:
    """Cut a plain sentence into stretches; of overlapping candidates the longer counts.

    Parameters
    ----------
    words : str
        Sentence from `hyoid.report.free_text.sentences.plain`.

    Examples
    --------
    >>> [token.kind.value for token in tokens_in("no erosion of the cricoid")]
    ['deny', 'noun', 'preposition', 'word', 'place']
    """
    found: list[Token] = []
    for mention in mentions_in(words):
        if not _is_material(mention, words):
            found.append(_place(mention, words))
    taken = [(t.start, t.end) for t in found]
    masked = list(words)
    for start, end in taken:
        masked[start:end] = "\u00a7" * (end - start)
    unplaced = "".join(masked)
    candidates: list[tuple[int, int, int, Kind, Sense | None]] = []
    for rank, (kind, sense, pattern) in enumerate(_master()):
        for match in pattern.finditer(unplaced):
            start, end = match.span()
            if end > start and not any(start < b and a < end for a, b in taken):
                candidates.append((start - end, rank, start, kind, sense))
    for length, _, start, kind, sense in sorted(candidates, key=lambda c: (c[0], c[1])):
        end = start - length
        if not any(start < b and a < end for a, b in taken):
            taken.append((start, end))
            text = words[start:end]
            found.append(Token(kind, start, end, text.strip(), sense))
    at = 0
    for start, end in sorted(taken):
        found += [
            Token(Kind.WORD, at + m.start(), at + m.end(), m.group()) for m in _ANY_WORD.finditer(words[at:start])
        ]
        at = max(at, end)
    found += [Token(Kind.WORD, at + m.start(), at + m.end(), m.group()) for m in _ANY_WORD.finditer(words[at:])]
    return _with_spread_as_noun(_with_heading_negative(_with_final_no(sorted(found, key=lambda t: t.start))))


def _is_material(mention: Mention, words: str) -> bool:
    """Whether bone or marrow says only what is looked at in the place before: "skull base: no bone erosion"."""
    text, behind = words[mention.start : mention.end], words[mention.end :]
    if mention.term.keys:
        return False
    if text == "marrow" and re.match(r" (?:signal|oedema|edema)\b", behind):
        return True
    of_bone = re.fullmatch(r"bones?|bony|osseous", text) and re.match(
        r" (?:erosion|destruction|lysis|invasion)\b", behind
    )
    return of_bone is not None and ":" in words[: mention.start]


def _with_final_no(tokens: list[Token]) -> list[Token]:
    """A "no" with nothing behind it looks back: "ENE: no"."""
    ends = (Kind.COMMA, Kind.STOP)
    return [
        replace(token, kind=Kind.GONE)
        if token.kind is Kind.DENY
        and token.text in ("no", "none", "nil")
        and (at + 1 == len(tokens) or tokens[at + 1].kind in ends)
        else token
        for at, token in enumerate(tokens)
    ]


def _with_heading_negative(tokens: list[Token]) -> list[Token]:
    """A word alone before a colon speaks of what follows: "Negative: lip, cricoid", "Uncertain: orbit"."""
    if len(tokens) > 2 and tokens[0].kind in (Kind.OPEN, Kind.HEDGE) and tokens[1].kind is Kind.COLON:
        return [replace(tokens[0], kind=Kind.DONE, sense=Sense.TOUCH), *tokens[1:]]
    if len(tokens) > 2 and tokens[0].text in ("negative", "absent", "none") and tokens[1].kind is Kind.COLON:
        return [replace(tokens[0], kind=Kind.DONE, sense=Sense.FREE), *tokens[1:]]
    return tokens


def _with_spread_as_noun(tokens: list[Token]) -> list[Token]:
    """A verb between a place and the end of its clause is a noun: "no subglottic spread", "lip contact on the left"."""
    ends = (Kind.COMMA, Kind.STOP, Kind.AND, Kind.BUT, Kind.BE, Kind.OPEN, Kind.GONE)
    return [
        replace(token, kind=Kind.NOUN)
        if token.kind is Kind.VERB
        and token.text in ("spread", "contact")
        and at
        and tokens[at - 1].kind is Kind.PLACE
        and (at + 1 == len(tokens) or tokens[at + 1].kind in ends)
        else token
        for at, token in enumerate(tokens)
    ]


def _place(mention: Mention, words: str) -> Token:
    text = words[mention.start : mention.end]
    sense = Sense.FINDING if mention.term.keys and _FINDING.match(text) else None
    return Token(Kind.PLACE, mention.start, mention.end, text, sense, mention.term)
