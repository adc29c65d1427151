import io

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from hyoid.interfaces.dicomweb.answers import MODALITY, file_of, value_of


def test_the_first_value_is_read_and_an_absent_one_is_empty():
    assert value_of({MODALITY: {"vr": "CS", "Value": ["CT", "PT"]}}, MODALITY) == "CT"
    assert value_of({MODALITY: {"vr": "CS"}}, MODALITY) == value_of({}, MODALITY) == ""


def test_an_object_becomes_a_file():
    dataset, meta = Dataset(), FileMetaDataset()
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    assert dcmread(io.BytesIO(file_of(dataset))).SOPInstanceUID == "1.2.3"
