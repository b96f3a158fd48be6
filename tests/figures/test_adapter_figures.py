"""Figures of adapters of other shapes than those that ship."""

import numpy as np
import pytest

from helpers import adapters
from tests.support.adapters import draw, peft_folder
from tests.support.matrices import error_of_spectra


def test_a_figure_of_many_modules_leaves_names_out_and_writes_no_numbers(tmp_path):
    from helpers import figures

    modules = [
        (f"blocks.{i}.part_{j}.linear", "linear", (2, 5), (4, 2)) for i in range(30)
        for j in range(25)
    ]  # fmt: skip
    folder = peft_folder(tmp_path / "big", modules=modules, r=2, rank_pattern={})
    picture = figures.AdapterMap(adapters.read(folder)).draw(field="norm")
    assert picture.texts == {}
    assert picture.image.get_array().shape == (25, 30)
    (ax, _bar) = picture.figure.axes
    assert len(ax.get_xticklabels()) <= 24
    assert len(ax.get_yticklabels()) <= 20
    assert "750 modules in 30 layers" in picture.description
    assert len(picture.png()) > 1000


def test_a_map_without_layers_says_so(tmp_path):
    from helpers import figures

    folder = peft_folder(
        tmp_path / "flat", modules=[("head", "linear", (2, 5), (4, 2))], r=2, rank_pattern={}
    )
    with pytest.raises(ValueError, match="a layer's number in their names, got head"):
        figures.AdapterMap(adapters.read(folder))


def test_a_cut_of_modules_of_different_rank_and_of_zero(tmp_path):
    """The loader's mark is at the median ratio; its error takes each module's own."""
    from helpers import figures

    made = {
        "a.0.q": (draw(1, 3, 8), draw(2, 6, 3)),
        "a.1.q": (draw(3, 12, 8), draw(4, 6, 12)),
        "a.2.q": (draw(5, 3, 8), np.zeros((6, 3))),
    }
    modules = [(name, "linear", A.shape, B.shape) for name, (A, B) in made.items()]
    folder = peft_folder(
        tmp_path / "mixed", made, modules=modules, r=3, rank_pattern={"a.1.q": 12},
        use_rslora=True,
    )  # fmt: skip
    adapter = adapters.read(folder)
    picture = figures.AdapterCut(adapter).draw(rank=2, scale=1.0)
    spectra = adapters.spectra(adapter)
    expected = error_of_spectra(spectra, 2, [2**-0.5] * 3)  # of the file that is cut to rank 2
    assert picture.drawn.loaders["alpha/r"] == pytest.approx((2**-0.5, expected), abs=1e-9)
    picture.draw(rank=6, scale=1.0)
    expected = error_of_spectra(spectra, 6, [3**-0.5, 6**-0.5, 3**-0.5])
    assert picture.drawn.loaders["alpha/r"] == pytest.approx((3**-0.5, expected), abs=1e-9)
    assert picture.highest == 6
    for bad in (0, 7, 1.5):
        with pytest.raises(ValueError, match=r"rank must be .* 1 and 6"):
            picture.draw(rank=bad)
    with pytest.raises(ValueError, match="scale must be"):
        picture.draw(rank=2, scale=-1)
