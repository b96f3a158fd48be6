"""Figures: they take numbers, draw them, and say in words what they show."""

from .behaviour import SHOWN_PEOPLE, Behaviour
from .errors import ErrorOverRank, ErrorPlane
from .picture import Picture
from .scales import ReaderMismatch, ScaleOverRank
from .spectra import EnergyTriangle, RankMeasures, SpectrumEnergyError
from .training import FirstStep, OneRate, RateFan, RatesOverRank, TrainingRun
from .updates import Layers, NoiseSweep, SpectrumUnderNoise, TwoUpdates

__all__ = [
    "SHOWN_PEOPLE",
    "Behaviour",
    "EnergyTriangle",
    "ErrorOverRank",
    "ErrorPlane",
    "FirstStep",
    "Layers",
    "NoiseSweep",
    "OneRate",
    "Picture",
    "RankMeasures",
    "RateFan",
    "RatesOverRank",
    "ReaderMismatch",
    "ScaleOverRank",
    "SpectrumEnergyError",
    "SpectrumUnderNoise",
    "TrainingRun",
    "TwoUpdates",
]
