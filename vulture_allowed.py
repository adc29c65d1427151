"""Names that nothing in src, scripts or benchmarks calls, each group with the reason why it stays; for `make check`.

Dead code is deleted, not listed here. What only tests call is dead, unless a reason stands below.
"""

# Python's own hooks, and Python interfaces that documents show.
__getattr__  # hyoid/__init__.py: functions of the package on demand
iter_patients  # docs/phantom.md: virtual patients from Python
axis_codes  # the order "SPL" that a canonical Volume promises, for a notebook and for tests of readers
json_schema  # schema of report.json

# Reading and naming outlines: the whole of an interface, of which the commands use a part.
read_reader_masks
read_rtstruct
measured_on

# Called by their framework: parsers of HTML, FastAPI, uvicorn, http.server.
handle_starttag
handle_endtag
handle_data
should_exit
daemon_threads
do_POST
log_message

# Called by Lightning.
configure_callbacks
configure_gradient_clipping
configure_optimizers
on_train_batch_end
on_train_epoch_end
on_train_start
on_validation_end
on_validation_epoch_end
train_dataloader
val_dataloader
validation_step

# Fields that leave as JSON or YAML, or tell values apart there.
caution
rests_on
involved_subsites
missing_organs
number_in_study
python
model_config
schema_version
similarity_rigid
GROUPED

# What an input must be a multiple of: what tests hold recipes to.
divisor
# The lesion numbers that a registration should give: what tests compare images with.
pre_ids_registered
# Whether a graph came from the disk: what the test of the cache looks at.
compiled_now

# Attributes of pydicom data sets: setting them is what writes the file.
AcquisitionDate
AcquisitionTime
ActualFrameDuration
ApprovalStatus
BitsStored
CodeMeaning
CodeValue
CodingSchemeDesignator
ContourGeometricType
ContourImageSequence
ContourSequence
ContributionDateTime
CorrectedImage
DecayCorrection
DimensionIndexValues
DimensionOrganizationUID
EchoTime
HighBit
ImageIndex
ImageType
InstanceNumber
Manufacturer
ManufacturerModelName
MRAcquisitionType
NumberOfContourPoints
NumberOfSlices
ObservationNumber
OperatorsName
PatientID
PatientName
PatientWeight
PhotometricInterpretation
PixelRepresentation
PositionReferenceIndicator
RadionuclideHalfLife
RadionuclideTotalDose
RadiopharmaceuticalInformationSequence
RadiopharmaceuticalStartTime
ReferencedFrameOfReferenceSequence
ReferencedFrameOfReferenceUID
ReferencedSOPClassUID
ReferencedROINumber
ReferencedSOPInstanceUID
RepetitionTime
RescaleIntercept
RescaleSlope
RescaleType
ROIDescription
ROIDisplayColor
ROIGenerationAlgorithm
ROIGenerationDescription
ROIInterpreter
ROIName
RTReferencedSeriesSequence
RTReferencedStudySequence
RTROIIdentificationCodeSequence
RTROIInterpretedType
SamplesPerPixel
ScanningSequence
ScanOptions
SegmentedPropertyTypeModifierCodeSequence
SequenceVariant
SeriesDate
SeriesDescription
SeriesNumber
SeriesTime
SeriesType
SliceThickness
SoftwareVersions
SourcePixelPlanesCharacteristicsSequence
SpacingBetweenSlices
SpecificCharacterSet
StructureSetDescription
StructureSetLabel
SUVType
Units

# Attributes of DICOM SR and Encapsulated PDF.
AcquisitionDateTime
BurnedInAnnotation
CodingSchemeIdentificationSequence
CodingSchemeName
CodingSchemeResourcesSequence
CodingSchemeURL
CodingSchemeURLType
ConceptNameCodeSequence
ConversionType
DeviceSerialNumber
DocumentTitle
EncapsulatedDocument
EncapsulatedDocumentLength
MIMETypeOfEncapsulatedDocument
SourceInstanceSequence
VerificationFlag

# Commands, named as text in hyoid.interfaces.cli.commands.
demo
grand_challenge
midrt_command
phantom
serve

# Protocol of what reads a file (io/sources).
__call__

# Set on objects of pynetdicom, requests, sqlite3 and http.server, which read these.
acse_timeout
dimse_timeout
network_timeout
connection_timeout
require_called_aet
require_calling_aet
maximum_associations
supported_contexts
STORE_SEND_CHUNKED_DATASET
UNRESTRICTED_STORAGE_SERVICE
QueryRetrieveLevel
reading_validation_mode
writing_validation_mode
trust_env
cert
auth
row_factory
timeout
do_GET

# The functions of `import hyoid` and what their values do: called by users, by notebooks, by completion.
__dir__
to_metatensor
to_torchio
to_numpy
_repr_html_
doctor
