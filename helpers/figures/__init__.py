"""Figures: they take numbers, draw them, and say in words what they show."""

from .errors import ErrorOverRank, ErrorPlane
from .picture import Picture
from .scales import ReaderMismatch, ScaleOverRank
from .spectra import RankMeasures, SpectrumEnergyError
from .updates import NoiseSweep, SpectrumUnderNoise, TwoUpdates

__all__ = [
    "ErrorOverRank",
    "ErrorPlane",
    "NoiseSweep",
    "Picture",
    "RankMeasures",
    "ReaderMismatch",
    "ScaleOverRank",
    "SpectrumEnergyError",
    "SpectrumUnderNoise",
    "TwoUpdates",
]
