"""Volumes and arrays in files that are not DICOM: NIfTI, NRRD, MHA."""
