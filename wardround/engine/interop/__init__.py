"""Data sets of other programs, read into a manifest and a study. No image is copied."""

from wardround.engine.interop.nnunet import Imported, import_nnunet

__all__ = ["Imported", "import_nnunet"]
