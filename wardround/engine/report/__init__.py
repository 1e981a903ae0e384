"""Figures, and self-contained pages that work offline."""

from wardround.engine.report.page import Page, number

__all__ = ["Page", "number"]
