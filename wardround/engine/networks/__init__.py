"""Architectures. `build_network` gives the study's network with weights that are a function of the study alone."""

from wardround.engine.networks.build import Outputs, build_network, logits_of, outputs_of

__all__ = ["Outputs", "build_network", "logits_of", "outputs_of"]
