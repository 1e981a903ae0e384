"""Parameters of the networks. Channels in and out come from the study, not from here."""

from wardround.engine.parts.networks.classifiers import SFCN, VGG, ConvNeXt, DenseNet, EfficientNet
from wardround.engine.parts.networks.encoders import MSDNet, ResNetUNet
from wardround.engine.parts.networks.network import Dimensions, NetworkParameters, Norm, network_of
from wardround.engine.parts.networks.resnet import ResNet
from wardround.engine.parts.networks.transformers import UNETR, SwinUNETR, TransUNet, ViT
from wardround.engine.parts.networks.unet import (
    FCN,
    AttentionUNet,
    InceptionUNet,
    ResidualEncoder,
    ResUNet,
    SegResNet,
    UNet,
)

__all__ = [
    "FCN",
    "SFCN",
    "UNETR",
    "VGG",
    "AttentionUNet",
    "ConvNeXt",
    "DenseNet",
    "Dimensions",
    "EfficientNet",
    "InceptionUNet",
    "MSDNet",
    "NetworkParameters",
    "Norm",
    "ResNet",
    "ResNetUNet",
    "ResUNet",
    "ResidualEncoder",
    "SegResNet",
    "SwinUNETR",
    "TransUNet",
    "UNet",
    "ViT",
    "network_of",
]
