"""Help of options that several commands share."""

OUT_HELP = "Folder for the results; a used one is refused."
OVERWRITE_HELP = "Empty a used output folder before the run."
STUDY_HELP = "Study to read where there are several: its number in the order of dates, or its UID."
NAMES_HELP = "Names of structures in SEG and RTSTRUCT: tg263, hyoid, or a YAML file."
JSON_HELP = "Print machine-readable events instead of progress bars."
DEVICE_HELP = "Where the networks run: auto, cpu or cuda."
PRECISION_HELP = "Arithmetic of the networks: f32 or bf16; by default what each model's card allows."
REGULARIZE_HELP = "Fill missing slices by interpolation; the report says so."
FORMATS_HELP = (
    "Further forms of the report, joined by commas: sr, pdf, fhir, or none; by default sr where the study is DICOM."
)
REGISTRY_HELP = "Table to which a row on this run is added: a .csv file, or a folder ending in .parquet."
IDENTIFIERS_HELP = "Write StudyInstanceUID, accession number and (FHIR) patient ID into report.json, FHIR and registry."
