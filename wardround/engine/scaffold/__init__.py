"""Packages for parts of one's own: written from templates, and whole from the first minute. Imports no torch."""

from wardround.engine.scaffold.package import PartPackage, new_part

__all__ = ["PartPackage", "new_part"]
