"""Parameters of the networks. Channels in and out come from the study, not from here."""

from wardround.engine.parts.networks.classifiers import SFCN, VGG, ConvNeXt, DenseNet, EfficientNet
from wardround.engine.parts.networks.encoders import MSDNet, ResNetUNet
from wardround.engine.parts.networks.generative import Autoencoder, Diffusion, SDNet
from wardround.engine.parts.networks.network import Dimensions, NetworkParameters, Norm, network_of
from wardround.engine.parts.networks.resnet import ResNet
from wardround.engine.parts.networks.tabular import Dense, Linear, TableNetworkParameters, sees_table_alone
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
    "Autoencoder",
    "ConvNeXt",
    "Dense",
    "DenseNet",
    "Diffusion",
    "Dimensions",
    "EfficientNet",
    "InceptionUNet",
    "Linear",
    "MSDNet",
    "NetworkParameters",
    "Norm",
    "ResNet",
    "ResNetUNet",
    "ResUNet",
    "ResidualEncoder",
    "SDNet",
    "SegResNet",
    "SwinUNETR",
    "TableNetworkParameters",
    "TransUNet",
    "UNet",
    "ViT",
    "network_of",
    "sees_table_alone",
]
