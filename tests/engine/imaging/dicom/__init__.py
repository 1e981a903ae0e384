"""DICOM: series, pixels, segmentations."""
