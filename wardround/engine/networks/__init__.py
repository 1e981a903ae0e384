"""Architectures. `build_network` gives the study's network with weights that are a function of the study alone."""

from wardround.engine.networks.build import build_network, logits_of

__all__ = ["build_network", "logits_of"]
