"""Configurations and tables of GaNDLF, read into a study and a manifest. No image is opened or copied."""

from wardround.engine.interop.gandlf.importing import Imported, import_gandlf
from wardround.engine.interop.gandlf.notes import Note

__all__ = ["Imported", "Note", "import_gandlf"]
