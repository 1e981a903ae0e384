"""Wardround: federated learning for medical imaging. Images stay in their hospital; the model makes the rounds."""

__version__ = "0.4.0"
