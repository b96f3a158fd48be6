"""Figures: they take numbers, draw them, and say in words what they show."""

from .adapters import AdapterBehaviour, AdapterCut, AdapterMap
from .behaviour import Behaviour
from .errors import ErrorOverRank, ErrorPlane
from .models import PretrainedOverRank, RankForPeople, RatesInModel, TruncatedOrTrained
from .picture import Picture
from .scales import ReaderMismatch, ScaleOverRank
from .spectra import EnergyTriangle, RankMeasures, SpectrumEnergyError
from .training import FirstStep, OneRate, RateFan, RatesOverRank, TrainingRun
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
