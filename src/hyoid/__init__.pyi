from hyoid.interfaces.interchange import to_metatensor as to_metatensor
from hyoid.interfaces.interchange import to_torchio as to_torchio
from hyoid.interfaces.python import cohort as cohort
from hyoid.interfaces.python import evaluate as evaluate
from hyoid.interfaces.python import find_targets as find_targets
from hyoid.interfaces.python import load_model as load_model
from hyoid.interfaces.python import make_phantom as make_phantom
from hyoid.interfaces.python import make_report as make_report
from hyoid.interfaces.python import midrt as midrt
from hyoid.interfaces.python import predict as predict
from hyoid.interfaces.python import read_study as read_study
from hyoid.interfaces.python import segment_lesion as segment_lesion
from hyoid.interfaces.python import structure as structure
from hyoid.io.files.volumes import read_labels as read_labels
from hyoid.metrics.lesions import measure_labels as measure_labels

__version__: str
