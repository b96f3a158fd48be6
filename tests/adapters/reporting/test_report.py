"""What is said of spectra: rows, the table, the sentences, the map of layers by modules."""

import numpy as np
import pytest

from helpers import adapters
from helpers.adapters.reporting import report
from helpers.lora import spectrum
from helpers.lora.several import Spectrum
from tests.support.adapters import draw, factors, peft_folder


def test_an_update_of_zero(tmp_path):
    """As PEFT starts: B = 0. No division, no warning."""
    made = {name: (A, 0 * B) for name, (A, B) in factors().items()}
    adapter = adapters.read(peft_folder(tmp_path / "a", made))
    rows = adapters.rows(adapters.spectra(adapter))
    assert {(row.norm, row.stable, row.effective, row.rank99, row.share) for row in rows} == {
        (0.0, 0.0, 0.0, 0, 0.0)
    }
    assert adapters.sentences(rows).startswith("All 5 updates are zero")
    made["model.embed"] = factors()["model.embed"]
    adapter = adapters.read(peft_folder(tmp_path / "b", made))
    said = adapters.sentences(adapters.rows(adapters.spectra(adapter)))
    assert "In 1 module of rank 3 (4 more are zero)" in said


def test_rows_by_hand():
    values = np.array([4.0, 2.0, 1.0, 0.0])
    (row,) = adapters.rows([adapters.Spectrum("m", "linear", (9, 5), 4, 0.5, values)])
    p = np.array([4, 2, 1]) / 7
    effective = np.exp(-np.sum(p * np.log(p)))
    assert (row.d, row.k, row.rank, row.scale) == (9, 5, 4, 0.5)
    assert row.norm == pytest.approx(np.sqrt(21))
    assert row.stable == pytest.approx(21 / 16)
    assert row.effective == pytest.approx(effective)
    assert row.share == pytest.approx(effective / 4)
    assert (row.rank90, row.rank99) == (2, 3)


def spectrum_of(name, values, rank=3):
    values = np.array(values, dtype=float)
    return adapters.Spectrum(name, "linear", (4096, 11008), rank, 0.25, values)


def test_rows_sort_and_the_sentences_are_two():
    found = [spectrum_of("b.1.x", [9, 1, 0]), spectrum_of("a.0.x", [1, 1, 1])]
    assert [row.name for row in adapters.rows(found)] == ["b.1.x", "a.0.x"]
    assert [row.name for row in adapters.rows(found, "name")] == ["a.0.x", "b.1.x"]
    assert [row.name for row in adapters.rows(found, "norm")] == ["b.1.x", "a.0.x"]
    assert [row.name for row in adapters.rows(found, "effective")] == ["a.0.x", "b.1.x"]
    assert [row.name for row in report.ordered(adapters.rows(found), "norm", True)] == [
        "a.0.x",
        "b.1.x",
    ]
    with pytest.raises(ValueError, match="sort must be one of"):
        adapters.rows(found, "colour")
    said = adapters.sentences(adapters.rows(found))
    assert said.count(". ") == 1
    assert "between 2 and 3 components, with a median of 2.5" in said
    assert "not behaviour" in said
    assert "not the same as training" in said


def test_the_map_of_layers_by_modules():
    names = ["m.layers.2.attn.q", "m.layers.0.attn.q", "m.layers.0.mlp.up", "head"]
    found = [spectrum_of(name, [i + 1, 0, 0]) for i, name in enumerate(names)]
    layers, modules, values = adapters.layer_map(adapters.rows(found), "norm")
    assert (layers, modules) == (["0", "2"], ["attn.q", "mlp.up"])
    np.testing.assert_array_equal(values, [[2, 3], [1, np.nan]])
    assert adapters.layer_map(adapters.rows(found[3:]))[2].shape == (0, 0)


@pytest.mark.parametrize("share", [0.9, 0.99])
def test_the_ranks_of_the_rows_are_those_of_spectrum(share):
    values = np.sort(np.abs(draw(5, 12)))[::-1]
    (row,) = adapters.rows([spectrum_of("m", values, 12)])
    found = row.rank90 if share == 0.9 else row.rank99
    assert found == spectrum.rank_for_energy(values, share)
    assert report.SORTS[0] == "name"


def named(*names):
    spectra = [
        Spectrum(name, "linear", (9, 9), 2, 1.0, np.array([i + 1.0, 0]))
        for i, name in enumerate(names)
    ]
    return adapters.layer_map(adapters.rows(spectra), "norm")


def test_blocks_of_two_beginnings_do_not_hide_each_other():
    layers, modules, values = named(
        "unet.up_blocks.1.attn.q", "unet.down_blocks.1.attn.q", "unet.down_blocks.0.attn.q"
    )
    assert layers == ["up_blocks.1", "down_blocks.0", "down_blocks.1"]
    assert modules == ["attn.q"]
    np.testing.assert_array_equal(values.T, [[1, 3, 2]])


def test_kohyas_names_have_layers_too():
    layers, modules, values = named(
        "lora_te_text_model_encoder_layers_10_self_attn_q_proj",
        "lora_te_text_model_encoder_layers_9_self_attn_q_proj",
    )
    assert (layers, modules) == (["9", "10"], ["self_attn_q_proj"])
    np.testing.assert_array_equal(values, [[2], [1]])


def test_a_blocks_own_blocks_are_layers():
    """The last number counts: SDXL's names would else give a row to each block's module."""
    layers, modules, _ = named(
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q",
        "lora_unet_down_blocks_1_attentions_1_transformer_blocks_0_attn1_to_q",
        "lora_unet_up_blocks_1_attentions_1_transformer_blocks_3_attn1_to_q",
    )
    assert modules == ["attn1_to_q"]
    assert layers[1] == "down_blocks_1_attentions_1_transformer_blocks_0"
    assert len(set(layers)) == 3
