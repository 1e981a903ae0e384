"""What of an image a network's answer rests on: maps on the image's own grid."""

from wardround.engine.explain.maps import Explained, explain_case
from wardround.engine.explain.methods import METHODS, Method

__all__ = ["METHODS", "Explained", "Method", "explain_case"]
