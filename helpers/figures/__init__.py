"""Figures: they take numbers, draw them, and say in words what they show."""

from .adapter_map import AdapterMap
from .adapters import AdapterCut
from .fine_tuning import FineTuningRun
from .first_step import Crew, FirstStep
from .forgetting import KeptByWay, NewAgainstKnown
from .hook import Hook
from .noise import SpectrumUnderNoise
from .picture import Picture
from .pretrained import PretrainedOverRank
from .pretrained_windows import PretrainedWindows
from .rates import RateWindows
from .recall import Behaviour
from .results import TruncatedOrTrained
from .scaling import LoaderMismatch, ScaleOverRank
from .spectrum import EnergyTriangle, SpectrumEnergyError, StringOnSpectrum
from .training import TrainingRun
from .truncation import ErrorOverRank, ErrorPlane
from .updates import Components, TwoUpdates
from .weave import Weave
from .what_to_set import WhatToSet

__all__ = [
    "AdapterCut",
    "AdapterMap",
    "Behaviour",
    "Components",
    "Crew",
    "EnergyTriangle",
    "ErrorOverRank",
    "ErrorPlane",
    "FineTuningRun",
    "FirstStep",
    "Hook",
    "KeptByWay",
    "LoaderMismatch",
    "NewAgainstKnown",
    "Picture",
    "PretrainedOverRank",
    "PretrainedWindows",
    "RateWindows",
    "ScaleOverRank",
    "SpectrumEnergyError",
    "SpectrumUnderNoise",
    "StringOnSpectrum",
    "TrainingRun",
    "TruncatedOrTrained",
    "TwoUpdates",
    "Weave",
    "WhatToSet",
]
