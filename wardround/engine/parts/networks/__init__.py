"""Parameters of the networks. Channels in and out come from the study, not from here."""

from wardround.engine.parts.networks.classifiers import SFCN, VGG, ConvNeXt, DenseNet, EfficientNet
from wardround.engine.parts.networks.network import Dimensions, NetworkParameters, Norm, network_of
from wardround.engine.parts.networks.resnet import ResNet
from wardround.engine.parts.networks.unet import AttentionUNet, InceptionUNet, ResidualEncoder, ResUNet, UNet

__all__ = [
    "SFCN",
    "VGG",
    "AttentionUNet",
    "ConvNeXt",
    "DenseNet",
    "Dimensions",
    "EfficientNet",
    "InceptionUNet",
    "NetworkParameters",
    "Norm",
    "ResNet",
    "ResUNet",
    "ResidualEncoder",
    "UNet",
    "network_of",
]
