"""A trained model for other programs: exported networks that are proven equal to it, and a card of it."""

from wardround.engine.delivery.formats import FORMATS, Format
from wardround.engine.delivery.package import Delivered, deliver

__all__ = ["FORMATS", "Delivered", "Format", "deliver"]
