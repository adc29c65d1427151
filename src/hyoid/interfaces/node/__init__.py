"""The hospital node: studies arrive by DICOM, DICOMweb or a folder, and results go back."""
