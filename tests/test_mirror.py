"""Every module of `src` has its test at the same path, or stands below with the test that holds it, or a reason."""

from pathlib import Path

import pytest

import hyoid

SRC = Path(hyoid.__file__).parent
TESTS = Path(__file__).parent
TESTED_IN = {
    # Layers, variants and losses of one network: tested where the network is put together.
    "models/build.py": "models/test_unet.py",
    "models/prompts.py": "models/test_isrg.py",
    "models/vision.py": "models/test_isrg.py",
    "systems/ct_report/cases.py": "systems/ct_report/test_train.py",
    "systems/lesion/head.py": "systems/lesion/test_train.py",
    "systems/lesion/rounds.py": "systems/lesion/test_train.py",
    "systems/lesion/steps.py": "workspace/test_workspace.py",
    "workspace/scans.py": "interfaces/web/test_server.py",
    "systems/lesion/samples.py": "systems/lesion/test_train.py",
    "systems/petct/cases.py": "systems/petct/test_train.py",
    "systems/petct/patches.py": "systems/petct/test_train.py",
    "training/schedule.py": "training/test_run.py",
    "training/segmentation.py": "training/test_run.py",
    # Commands: what they write is tested with what they call; what they refuse, in one place for all.
    "interfaces/cli/ablations.py": "interfaces/cli/test_ablate.py",
    "interfaces/cli/calibrate.py": "systems/ct_report/test_train.py",
    "interfaces/results.py": "interfaces/cli/test_report.py",
    "interfaces/cli/doctor.py": "interfaces/test_doctor.py",
    "interfaces/cli/measure.py": "interfaces/cli/test_main.py",
    "interfaces/cli/phantom.py": "interfaces/cli/test_main.py",
    "interfaces/cohorts/expected.py": "interfaces/cohorts/test_driver.py",
    "inference/kept.py": "inference/test_runtime.py",
    "io/cohorts/listed.py": "io/cohorts/test_lists.py",
    "interfaces/cli/options.py": "interfaces/cli/test_main.py",
    "interfaces/delivery.py": "interfaces/cli/test_report.py",
    "interfaces/installed.py": "interfaces/cli/test_main.py",
    "interfaces/places.py": "interfaces/cli/test_serve.py",
    "interfaces/cohorts/run.py": "interfaces/cli/test_cohort.py",
    "interfaces/notebook.py": "interfaces/test_answers.py",
    "interfaces/prediction.py": "interfaces/cli/test_predict.py",
    "interfaces/scoring.py": "interfaces/test_python.py",
    "interfaces/web/shown.py": "interfaces/web/test_server.py",
    "interfaces/web/studies.py": "interfaces/web/test_server.py",
    # The ledger's parts are tested by the steps of the node that change these.
    "interfaces/node/ledger/arrivals.py": "interfaces/node/test_spool.py",
    "interfaces/node/ledger/jobs.py": "interfaces/node/test_worker.py",
    "interfaces/node/ledger/ledger.py": "interfaces/node/test_worker.py",
    "interfaces/node/ledger/outbox.py": "interfaces/node/test_sender.py",
    "interfaces/node/ledger/summary.py": "interfaces/cli/test_node.py",
    "interfaces/node/listener.py": "interfaces/node/test_destinations.py",
    "systems/measure_packages.py": "interfaces/cli/test_card.py",
    "anatomy/staging.py": "report/content/test_staging.py",
    # DICOM objects: written, and read again, in one round trip.
    "io/dicom/ct.py": "io/dicom/test_series.py",
    "io/dicom/mixed.py": "io/dicom/test_series.py",
    "io/dicom/spacing.py": "io/dicom/test_series.py",
    "io/dicom/images.py": "io/dicom/test_pet.py",
    "io/dicom/output.py": "io/dicom/test_outputs.py",
    "io/dicom/rtstruct.py": "io/dicom/test_outputs.py",
    "io/dicom/seg.py": "io/dicom/test_outputs.py",
    "io/dicom/slice.py": "io/dicom/test_series.py",
    "io/dicom/straighten.py": "io/dicom/test_series.py",
    "io/masks.py": "io/dicom/test_outputs.py",
    "io/verify.py": "io/dicom/test_outputs.py",
    "io/sources.py": "io/test_study.py",
    "io/cohorts/case_files.py": "io/cohorts/test_layouts.py",
    "io/cohorts/hecktor.py": "io/cohorts/test_layouts.py",
    "io/cohorts/nnunet.py": "io/cohorts/test_layouts.py",
    "io/cohorts/openkbp.py": "io/cohorts/test_layouts.py",
    "io/cohorts/plain.py": "io/cohorts/test_layouts.py",
    "io/files/packed_array.py": "interfaces/web/test_nninteractive.py",
    "io/packages/download.py": "io/packages/test_public_weights.py",
    # Parts of a virtual patient: looked at in the whole patient, whose truth is known.
    "phantom/anatomy/head.py": "phantom/test_patient.py",
    "phantom/anatomy/larynx.py": "phantom/test_patient.py",
    "phantom/anatomy/motion.py": "phantom/images/test_images.py",
    "phantom/anatomy/neck.py": "phantom/test_patient.py",
    "phantom/cohort/layouts.py": "phantom/cohort/test_make.py",
    "phantom/disease/described.py": "phantom/disease/test_attributes.py",
    "phantom/disease/followup.py": "phantom/images/test_images.py",
    "phantom/disease/lesion_types.py": "phantom/disease/test_lesions.py",
    "phantom/disease/looks.py": "phantom/disease/test_lesions.py",
    "phantom/images/mr.py": "phantom/images/test_images.py",
    "phantom/images/pet.py": "phantom/images/test_images.py",
    "phantom/images/previews.py": "phantom/cohort/test_make.py",
    "phantom/text/phrasings.py": "phantom/text/test_free_text.py",
    "phantom/text/words.py": "phantom/cohort/test_make.py",
    # Sections and pages of the report: tested on the whole report.
    "report/content/involvement.py": "report/content/test_build.py",
    "report/content/addendum.py": "report/content/test_build.py",
    "report/content/contact.py": "report/content/test_build.py",
    "report/content/impression.py": "report/content/test_build.py",
    "report/content/neck_field.py": "report/content/test_build.py",
    "report/content/nodes.py": "report/content/test_build.py",
    "report/content/scale.py": "report/content/test_build.py",
    "report/content/target.py": "report/content/test_build.py",
    "report/content/patches.py": "report/content/test_build.py",
    "report/content/primary.py": "report/content/test_build.py",
    "report/content/scene.py": "systems/lesion/test_report.py",
    "report/content/schema.py": "report/content/test_build.py",
    "report/content/uptake.py": "report/content/test_build.py",
    "report/pages/environment.py": "report/pages/test_write.py",
    "report/pages/html.py": "report/pages/test_write.py",
    "report/pages/pictures.py": "report/pages/test_write.py",
    "report/pages/response_html.py": "report/content/test_response.py",
    "report/pages/text.py": "report/pages/test_write.py",
    # Rules of free text: tested by the sentences that they read.
    "report/free_text/agreement.py": "report/free_text/test_chat.py",
    "report/free_text/answers.py": "report/free_text/test_printed.py",
    "report/free_text/mass.py": "report/free_text/test_structure.py",
    "report/free_text/rules.py": "report/free_text/test_structure.py",
    # Steps of a pipeline: tested on a scan that goes through the whole of it.
    "preprocess/midrt_input.py": "systems/midrt/test_pipeline.py",
    "preprocess/mr_body.py": "preprocess/test_registration.py",
    "systems/involvement.py": "systems/ct_report/test_pipeline.py",
    "systems/petct/report.py": "interfaces/cli/test_petct.py",
    "io/files/grids.py": "io/files/test_volumes.py",
}
"""Module to the test that holds it."""
REASONS = {
    "anatomy/lesion_attributes.py": "a table of words",
    "inference/memory.py": "reads what the machine says, which no test can know",
    "models/variants.py": "a table of names, compared with the networks by test_pipeline of ct_report",
    "progress.py": "two words for callbacks, and two functions that do nothing",
    "systems/machine.py": "a value without behaviour",
}
"""Module to the reason why no test is its own."""

MODULES = sorted(str(p.relative_to(SRC)) for p in SRC.rglob("*.py") if p.name != "__init__.py")


def mirrored(module):
    return (TESTS / module).with_name(f"test_{Path(module).name}")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_test_or_a_stated_reason(module):
    own, held, reason = mirrored(module).is_file(), module in TESTED_IN, module in REASONS
    assert own + held + reason == 1, f"{module}: write {mirrored(module).relative_to(TESTS)}, or say where it is tested"


@pytest.mark.parametrize("module", [*TESTED_IN, *REASONS])
def test_no_line_of_the_tables_is_left_over(module):
    assert module in MODULES
    if module in TESTED_IN:
        assert (TESTS / TESTED_IN[module]).is_file()
