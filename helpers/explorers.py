"""The explorers that notebooks show: a figure, its settings at the start, one line each."""

from __future__ import annotations

from . import figures
from .adapters import Adapter
from .explorer import Explorer


def hook() -> Explorer:
    """A biography by a language model whose adapter is served at full or a quarter strength.

    >>> hook().settings
    {'rank': 16, 'server': 'reads'}
    """
    return Explorer(figures.Hook(), rank=16, server="reads")


def two_updates() -> Explorer:
    """Each update beside its rank-r truncation.

    >>> two_updates().settings
    {'rank': 4, 'noise': 0.01}
    """
    return Explorer(figures.TwoUpdates(), rank=4, noise=0.01)


def components() -> Explorer:
    """An update as a stack of rank-one components.

    >>> components().settings
    {'rank': 1, 'noise': 0.01, 'update': 'style'}
    """
    return Explorer(figures.Components(), rank=1, noise=0.01, update="style")


def spectrum_under_noise() -> Explorer:
    """Singular values with and without noise.

    >>> spectrum_under_noise().settings
    {'noise': 0.01}
    """
    return Explorer(figures.SpectrumUnderNoise(), noise=0.01)


def error_over_rank() -> Explorer:
    """Error against rank, under both rules and at the best scale.

    >>> error_over_rank().settings
    {'rank': 8, 'alpha': 16, 'noise': 0.01}
    """
    return Explorer(figures.ErrorOverRank(), rank=8, alpha=16, noise=0.01)


def error_plane() -> Explorer:
    """Error over the whole (rank, alpha) plane.

    >>> error_plane().settings
    {'rank': 8, 'alpha': 16, 'noise': 0.01, 'update': 'facts'}
    """
    return Explorer(figures.ErrorPlane(), rank=8, alpha=16, noise=0.01, update="facts")


def loader_mismatch() -> Explorer:
    """An rsLoRA adapter in a loader that ignores use_rslora, and the alpha in its file.

    >>> loader_mismatch().settings
    {'rank': 16, 'alpha': 16, 'noise': 0.01}
    """
    return Explorer(figures.LoaderMismatch(), rank=16, alpha=16, noise=0.01)


def spectrum_energy_error() -> Explorer:
    """Spectrum, captured energy and best error.

    >>> spectrum_energy_error().settings
    {'rank': 8, 'noise': 0.01, 'target': 0.9}
    """
    return Explorer(figures.SpectrumEnergyError(), rank=8, noise=0.01, target=0.9)


def energy_triangle() -> Explorer:
    """What is kept and what is missed, as the legs of a right triangle.

    >>> energy_triangle().settings
    {'rank': 8, 'noise': 0.01}
    """
    return Explorer(figures.EnergyTriangle(), rank=8, noise=0.01)


def training_run() -> Explorer:
    """Training under both rules and alpha = 2r at one rank, live.

    >>> training_run().settings["learning_rate"]
    0.1
    """
    return Explorer(
        figures.TrainingRun(),
        rank=64,
        alpha=8,
        learning_rate=0.1,
        optimiser="adam",
        update="style",
        change="plain",
    )


def behaviour() -> Explorer:
    """A truncated update in a language model, and what the model then writes.

    >>> behaviour().settings
    {'rank': 8, 'scale': 1.0, 'noise': 0.0, 'person': 2, 'task': '100'}
    """
    return Explorer(figures.Behaviour(), rank=8, scale=1.0, noise=0.0, person=2, task="100")


def new_against_known() -> Explorer:
    """New facts against known ones: one setting of the map.

    >>> new_against_known().settings
    {'mapped_rank': 64, 'trained_scale': 16.0, 'mapped_rate': 3e-05}
    """
    return Explorer(figures.NewAgainstKnown(), mapped_rank=64, trained_scale=16.0, mapped_rate=3e-5)


def adapter_map(adapter: Adapter | None = None) -> Explorer:
    """Every module of an adapter by one measure, sorted and mapped.

    Without an adapter, one that ships.

    >>> adapter_map().settings
    {'field': 'effective'}
    """
    return Explorer(figures.AdapterMap(adapter), field="effective")


def adapter_cut(adapter: Adapter | None = None) -> Explorer:
    """Rank and scale of an adapter, from its singular values.

    Without an adapter, one that ships.

    >>> adapter_cut().settings
    {'rank': 8, 'scale': 1.0}
    """
    picture = figures.AdapterCut(adapter)
    return Explorer(picture, rank=max(1, picture.highest // 2), scale=1.0)


def what_to_set() -> Explorer:
    """Rank, rule, alpha and learning rate on the map of new and known facts.

    >>> what_to_set().settings
    {'rank': 64, 'alpha': 16, 'learning_rate': 0.00032, 'rule': 'alpha/sqrt(r)'}
    """
    return Explorer(
        figures.WhatToSet(), rank=64, alpha=16, rule="alpha/sqrt(r)", learning_rate=0.00032
    )
