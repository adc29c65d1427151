"""Bytes to volumes and back: DICOM, NIfTI, NRRD, MHA, label files. No networks, no torch."""
