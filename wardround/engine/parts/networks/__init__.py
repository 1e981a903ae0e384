"""Parameters of the networks. Channels in and out come from the study, not from here."""

from wardround.engine.parts.networks.network import Dimensions, NetworkParameters, Norm, network_of
from wardround.engine.parts.networks.resnet import ResNet
from wardround.engine.parts.networks.unet import ResUNet, UNet

__all__ = ["Dimensions", "NetworkParameters", "Norm", "ResNet", "ResUNet", "UNet", "network_of"]
