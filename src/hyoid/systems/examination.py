"""What a report says of the examination: how the scan was made, and what whoever asked said of patient and question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from hyoid.anatomy.staging import Edition, Site
from hyoid.errors import UsageError
from hyoid.io.dicom.acquisition import contrast_agent, kernel, slice_thickness_mm, tracer
from hyoid.io.dicom.suv import uptake_minutes
from hyoid.io.study import Study
from hyoid.report.content.schema import Fact
from hyoid.report.content.staging import StagingRequest
from hyoid.report.free_text.identity import without_identifiers
from hyoid.systems.prior import Outlining, Prior, read_prior

_LONGEST_QUESTION = 300


@dataclass(frozen=True)
class Request:
    """Clinical question, state of treatment and earlier examination that go with a scan.

    Parameters
    ----------
    question : str
        Clinical question, without identifiers.
    post_treatment : bool or None
        Whether the patient was treated; None: not stated.
    prior : Prior or None
        Lesions of an earlier examination of the same patient.
    staging : StagingRequest or None
        Tables by which to stage; None where no staging was asked for.
    """

    question: str = ""
    post_treatment: bool | None = None
    prior: Prior | None = None
    staging: StagingRequest | None = None

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Question and state of treatment for the report's head."""
        found = []
        if self.question:
            found.append(Fact(words="Clinical question", value=self.question, source="stated"))
        if self.post_treatment is not None:
            words = "after treatment" if self.post_treatment else "untreated"
            found.append(Fact(words="Treatment", value=words, source="stated"))
        if self.prior is not None:
            found.append(Fact(words="Comparison", value=self.prior.words, source="stated"))
        return tuple(found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be checked of the earlier examination, and what was taken from it."""
        return () if self.prior is None else self.prior.warnings


def request(
    study: Study,
    question: str = "",
    *,
    post_treatment: bool | None = None,
    prior: Path | None = None,
    prior_masks: Path | None = None,
    outlining: Outlining | None = None,
    staging: StagingRequest | None = None,
) -> Request:
    """Check the clinical question and state of treatment, and read the earlier examination.

    Parameters
    ----------
    study : Study
        The scan to be reported on.
    question : str
        Clinical question, in the requester's words.
    post_treatment : bool, optional
        Whether the neck was treated before this scan; None where nobody said.
    prior : Path, optional
        `report.json` of an earlier run, its folder, or an earlier CT.
    prior_masks : Path, optional
        A reader's outlines on the earlier CT.
    outlining : callable, optional
        Outlines organs on the earlier CT, see `read_prior`.
    staging : StagingRequest, optional
        Tables by which to stage.

    Raises
    ------
    UsageError
        When the question is too long, or the earlier examination is one of the same scan or comes without outlines.
    UnreadableFileError
        When the earlier examination cannot be read.
    InputRefusedError
        When it is of another patient, or later than the scan.
    """
    if len(question) > _LONGEST_QUESTION:
        raise UsageError(
            f"The clinical question has {len(question)} characters; a report takes {_LONGEST_QUESTION}.", "Shorten it."
        )
    asked = " ".join(without_identifiers(question).split())
    if prior is None and prior_masks is not None:
        raise UsageError("--prior-masks are outlines on an earlier CT, and none is given.", "Add --prior CT.")
    before = None if prior is None else read_prior(prior, study, masks=prior_masks, outlining=outlining)
    return Request(asked, post_treatment, before, staging)


def staging_request(
    site: str | None, editions: Sequence[str] = (), *, depth_mm: float | None = None, all_nodes: bool = False
) -> StagingRequest | None:
    """Check what was said about staging; None where no staging was asked for.

    Parameters
    ----------
    site : str or None
        Primary site, in the words of `hyoid.anatomy.staging.Site`.
    editions : sequence of str
        "7", "8", or both; both when empty.
    depth_mm : float, optional
        Depth of invasion, mm.
    all_nodes : bool
        Whether a reader says that every involved node is outlined.

    Raises
    ------
    UsageError
        When the site or an edition does not exist, or something is said about staging without a site.
    """
    if site is None:
        if editions or depth_mm is not None or all_nodes:
            raise UsageError(
                "Staging needs the primary site: every site has tables of its own.",
                f"Add --stage-site and one of: {'; '.join(Site)}.",
            )
        return None
    if site not in tuple(Site):
        raise UsageError(f"There is no staging table of {site!r}.", f"Choose one of: {'; '.join(Site)}.")
    unknown = [edition for edition in editions if edition not in tuple(Edition)]
    if unknown:
        raise UsageError(f"There is no table of TNM edition {unknown[0]!r}.", "Choose 7 or 8.")
    chosen = tuple(Edition(edition) for edition in editions) or tuple(Edition)
    return StagingRequest(Site(site), chosen, depth_mm, all_nodes)


def asked_for(asked: Request) -> dict[str, object]:
    """Collect what a request adds to the inputs of a report.

    Parameters
    ----------
    asked : Request
        Question, state of treatment and earlier examination.
    """
    return {
        "context": asked.facts,
        "prior_lesions": None if asked.prior is None else asked.prior.lesions,
        "post_treatment": asked.post_treatment is True,
        "staging": asked.staging,
    }


def technique(study: Study, pet: Study | None = None) -> tuple[Fact, ...]:
    """Tell how the scan was made, as far as its headers say.

    Parameters
    ----------
    study : Study
        CT or MR.
    pet : Study, optional
        PET of the same examination, whose tracer and uptake time are told too.
    """
    header = study.headers[0] if study.headers else None
    facts = [_contrast(header), _thickness(header, study)]
    used = "" if header is None else kernel(header)
    if used:
        facts.append(Fact(words="Kernel", value=used, source="header"))
    if pet is not None:
        pet_header = pet.headers[0] if pet.headers else None
        drug = "" if pet_header is None else tracer(pet_header)
        minutes = uptake_minutes(pet.headers)
        facts.append(
            Fact(words="Tracer", value=drug, source="header")
            if drug
            else Fact(words="Tracer", value="not stated, taken for FDG", source="not known", caution=True)
        )
        facts.append(
            Fact(words="Uptake time", value=f"{minutes:.0f} min", source="header", caution=not 45 <= minutes <= 90)
            if minutes is not None
            else Fact(words="Uptake time", value="not stated", source="not known", caution=True)
        )
    return tuple(facts)


def _contrast(header: Dataset | None) -> Fact:
    agent = None if header is None else contrast_agent(header)
    if agent is None:
        return Fact(words="Contrast", value="the header does not say", source="not known")
    return Fact(words="Contrast", value=agent, source="header")


def _thickness(header: Dataset | None, study: Study) -> Fact:
    thickness = None if header is None else slice_thickness_mm(header)
    if thickness is not None:
        return Fact(words="Slice thickness", value=f"{thickness:.1f} mm", source="header", caution=thickness > 3.01)
    step = max(study.volume.geometry.spacing_mm)
    return Fact(words="Slice distance", value=f"{step:.1f} mm", source="measured", caution=step > 3.01)
