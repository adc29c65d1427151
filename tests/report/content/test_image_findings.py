import numpy as np

from hyoid.report.content.build import build_report
from hyoid.report.content.image_findings import ImageFindings, image_findings
from hyoid.report.content.scene import ReportInputs
from hyoid.report.content.schema import Study
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((8, 20, 20), (3.0, 2.0, 2.0))


def scan(quantity=Quantity.HU):
    values = np.full(GRID.shape, -1000.0, np.float32)
    values[:, 4:16, 4:16] = 40
    return Volume(values, GRID, quantity)


def test_only_a_ct_is_measured():
    found = image_findings(scan(Quantity.MR), {}, outlined_by="reader", by_model=False)
    assert (found.airway, found.contrast, found.quality) == ({}, None, None)
    assert image_findings(scan(), {}, outlined_by="reader", by_model=False).quality.metal_ml == 0


def test_a_report_from_findings_is_the_report_from_the_scan():
    facts = Study(modality="CT", spacing_mm=GRID.spacing_mm, slices=8, fingerprint="f")
    inputs = ReportInputs(
        study=facts, organs=Volume(np.zeros(GRID.shape, np.uint8), GRID, Quantity.LABEL), image=scan()
    )
    before = image_findings(scan(), {}, outlined_by="reader", by_model=False)
    again = build_report(ReportInputs(study=facts, organs=inputs.organs, image=scan(), findings=before))
    assert again == build_report(inputs)
    assert again.quality
    assert not build_report(ReportInputs(study=facts, organs=inputs.organs, findings=ImageFindings())).quality
