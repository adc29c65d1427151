"""DICOM objects: series, slices, PET, RT structure sets and segmentations, read and written."""
