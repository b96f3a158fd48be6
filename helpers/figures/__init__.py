"""Figures: they take numbers, draw them, and say in words what they show."""

from .errors import ErrorOverRank, ErrorPlane
from .picture import Picture
from .scales import ReaderMismatch, ScaleOverRank
from .spectra import EnergyTriangle, RankMeasures, SpectrumEnergyError
from .updates import Layers, NoiseSweep, SpectrumUnderNoise, TwoUpdates

__all__ = [
    "EnergyTriangle",
    "ErrorOverRank",
    "ErrorPlane",
    "Layers",
    "NoiseSweep",
    "Picture",
    "RankMeasures",
    "ReaderMismatch",
    "ScaleOverRank",
    "SpectrumEnergyError",
    "SpectrumUnderNoise",
    "TwoUpdates",
]
