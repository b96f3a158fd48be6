"""Figures: they take numbers, draw them, and say in words what they show."""

from .adapters import AdapterBehaviour, AdapterCut, AdapterMap
from .picture import Picture
from .recall import Behaviour
from .results import PretrainedOverRank, RankForPeople, RatesInModel, TruncatedOrTrained
from .scaling import ReaderMismatch, ScaleOverRank
from .spectrum import EnergyTriangle, RankMeasures, SpectrumEnergyError
from .training import FirstStep, OneRate, RateFan, RatesOverRank, TrainingRun
from .truncation import ErrorOverRank, ErrorPlane
from .updates import Layers, NoiseSweep, SpectrumUnderNoise, TwoUpdates

__all__ = [
    "AdapterBehaviour",
    "AdapterCut",
    "AdapterMap",
    "Behaviour",
    "EnergyTriangle",
    "ErrorOverRank",
    "ErrorPlane",
    "FirstStep",
    "Layers",
    "NoiseSweep",
    "OneRate",
    "Picture",
    "PretrainedOverRank",
    "RankForPeople",
    "RankMeasures",
    "RateFan",
    "RatesInModel",
    "RatesOverRank",
    "ReaderMismatch",
    "ScaleOverRank",
    "SpectrumEnergyError",
    "SpectrumUnderNoise",
    "TrainingRun",
    "TruncatedOrTrained",
    "TwoUpdates",
]
