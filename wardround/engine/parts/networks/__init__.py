"""Parameters of the networks. Channels in and out come from the study, not from here."""

from wardround.engine.parts.networks.network import Dimensions, NetworkParameters, Norm, network_of
from wardround.engine.parts.networks.resnet import ResNet
from wardround.engine.parts.networks.tabular import Dense, Linear, TableNetworkParameters, sees_table_alone
from wardround.engine.parts.networks.unet import ResUNet, UNet

__all__ = [
    "Dense",
    "Dimensions",
    "Linear",
    "NetworkParameters",
    "Norm",
    "ResNet",
    "ResUNet",
    "TableNetworkParameters",
    "UNet",
    "network_of",
    "sees_table_alone",
]
