"""DICOM: series sorted by where their slices lie, single images, multi-frame objects and segmentations.

`objects` reads the header of one file, `series` finds those of a folder that belong together, `stacking` their grid,
`pixels` decodes frames, `reader` is what the rest of the room calls. pydicom loads when the first file is opened.
"""
