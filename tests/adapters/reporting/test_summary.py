"""The answer, and tables that fit: every row told apart, whatever the width and the names."""

import numpy as np
import pytest

from helpers import adapters
from helpers.adapters.reporting import summary
from helpers.lora.several import Spectrum
from helpers.tables import blocks
from tests.support.adapters import draw, file_bytes, peft_folder


def llama(layers):
    ends = ("self_attn.q_proj", "self_attn.k_proj", "mlp.gate_proj", "mlp.down_proj")
    return [f"model.layers.{i}.{end}" for i in range(layers) for end in ends] + ["lm_head"]


def sdxl():
    """As sd-scripts names them: 700 modules, told apart in the middle."""
    depths = {"input_blocks_4_1": 2, "input_blocks_7_1": 10, "middle_block_1": 10}
    depths |= {"output_blocks_0_1": 10, "output_blocks_3_1": 2}
    ends = [f"attn{n}_to_{x}" for n in (1, 2) for x in ("q", "k", "v", "out_0")]
    return [
        f"lora_unet_{block}_transformer_blocks_{i}_{end}"
        for block, depth in depths.items() for i in range(depth)
        for end in [*ends, "ff_net_0_proj", "ff_net_2"]
    ] + ["lora_te1_text_model_encoder_layers_11_self_attn_q_proj"]  # fmt: skip


def flux():
    return [f"transformer.transformer_blocks.{i}.attn.to_{x}" for i in range(19) for x in "qkv"] + [
        f"transformer.single_transformer_blocks.{i}.attn.to_{x}" for i in range(38) for x in "qkv"
    ]


def experts():
    return [
        f"model.layers.{i}.mlp.experts.{e}.{x}_proj"
        for i in range(4) for e in range(64) for x in ("gate", "up", "down")
    ]  # fmt: skip


def nested():
    stem = "base.text_model.encoder.layers.31.self_attn.a_very_long_name_of_a_projection"
    return [f"{stem}.linear_layer_{x}" for x in ("one", "two")] + ["short"]


def rows_of(names, rank=16):
    values = np.linspace(2, 1, rank)
    return adapters.rows(
        [Spectrum(name, "linear", (4096, 11008), rank, 0.125, values) for name in names]
    )


@pytest.mark.parametrize("names", [llama(4), sdxl(), flux(), experts(), nested()])
@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_every_row_has_a_name_of_its_own_and_fits(names, width):
    table = adapters.table(rows_of(names), width)
    labels = [row[0] for row in table.rows]
    assert len(set(labels)) == len(names)
    assert max(map(len, repr(table).splitlines())) <= width
    assert {"r", "99 %"} <= set(table.headings)
    for name, label in zip(names, labels):  # the end, by which people know a module, is there
        assert name.endswith(label[-4:])


def test_wide_tables_have_more_columns():
    narrow, wide = (adapters.table(rows_of(llama(2)), width).headings for width in (60, 120))
    assert set(narrow) < set(wide)
    assert {"norm", "90 %", "stable"} <= set(wide)


@pytest.mark.parametrize(
    "names, kinds, layers",
    [
        (llama(4), 5, 5),  # q, k, gate, down and lm_head; four layers and lm_head
        (sdxl(), 11, 6),
        (flux(), 3, 57),
        (experts(), 3, 4),
    ],
)
def test_groups(names, kinds, layers):
    made = rows_of(names)
    for by, count in (("kind", kinds), ("layer", layers)):
        found = adapters.groups(made, by)
        assert len(found) == count
        assert sum(len(each.rows) for each in found) == len(names)
        for width in (60, 100):
            table = adapters.group_table(found, by, width)
            assert len({row[0] for row in table.rows}) == count
            assert max(map(len, repr(table).splitlines())) <= width


def test_a_number_inside_a_modules_name_is_no_block():
    ends = {"a_blocks_0_ff_net_0_proj": "ff_net_0_proj", "x.layers.2.mlp.experts.7.up": "up",
            "h.3.attn.c_attn": "attn.c_attn", "in_blocks_4_1_b": "b", "0.1.x": "x"}  # fmt: skip
    for name, end in ends.items():
        assert name[blocks(name)[-1] + 1 :] == end
    assert blocks("lm_head") == []


def test_groups_sort_in_both_directions():
    values = {"l.0.a": 1.0, "l.1.a": 1.0, "l.0.b": 1.3, "l.0.c": 0.1}
    spectra = [
        Spectrum(name, "linear", (9, 9), 2, 1.0, value * np.array([1, 0.5]))
        for name, value in values.items()
    ]
    rows = adapters.rows(spectra)

    def names(*sort):
        return [each.name for each in adapters.groups(rows, "kind", *sort)]

    assert names("norm") == ["a", "b", "c"]  # the norm of both a together
    assert names("norm", True) == ["c", "b", "a"]
    assert names("name", True) == ["c", "b", "a"]
    group = adapters.groups(rows, "kind")[0]
    assert group.norm == pytest.approx(np.sqrt(2 * 1.25))
    assert (group.span("rank99"), group.middle("rank99"), group.left) == ("2", 2, 1.0)


def adapter_of(path, spectra, **config):
    """A folder whose modules have these singular values."""
    made, modules = {}, []
    for i, (name, values) in enumerate(spectra.items()):
        r = len(values)
        Q, P = (np.linalg.qr(draw(7 * i + j, side, r))[0] for j, side in enumerate((16, 12)))
        made[name] = (P.T * np.asarray(values)[:, None], Q)
        modules.append((name, "linear", (r, 12), (16, r)))
    config = {"r": 4, "lora_alpha": 4, "rank_pattern": {}} | config
    return adapters.read(peft_folder(path, made, modules=modules, **config))


def test_which_modules_to_cut_to_what_rank_at_what_error(tmp_path):
    """Of q two directions have all but 0.0001 of the energy, of v all four have a quarter."""
    spectra = {"l.0.q": [3, 2, 0.03, 0.02], "l.1.q": [3, 2, 0.03, 0.02], "l.0.v": [1, 1, 1, 1]}
    adapter = adapter_of(tmp_path / "a", spectra)
    found = summary.answer(adapters.spectra(adapter), adapter)
    left = (2 + 2 + 4) / 12
    error = np.sqrt(2 * (0.03**2 + 0.02**2) / (2 * (13 + 0.0013) + 4))
    (cut,) = found.steps
    assert f"`truncate --error 0.1` leaves {left:.0%} of the parameters" in cut
    assert f"at a relative error of {error:.2g} over all" in cut
    assert "`truncate --rank 4` leaves 100% at 0.1" in cut
    assert "Most to cut in q (r 4 to 2)" in cut
    assert "least in v (r 4 to 4)" in cut
    assert "not behaviour" in found.caution
    assert found.rank.startswith("In 3 modules of rank 4, 99 % of the energy takes between 2 and 4")
    cuts = adapters.truncate(adapter, tmp_path / "cut", error=0.1)
    assert adapters.total_error(cuts) == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize(
    "config, step",
    [
        ({}, "There is little to cut"),
        ({"init_lora_weights": "pissa"}, "not to be cut as it is"),
        ({"use_rslora": True}, "`bake`"),
    ],
)
def test_steps(tmp_path, config, step):
    adapter = adapter_of(tmp_path / "a", {"l.0.v": [1, 1, 1, 1]}, **config)
    found = summary.answer(adapters.spectra(adapter), adapter)
    assert step in " ".join(found.steps)
    assert found.checks == tuple(adapters.checks(adapter))


def test_the_strength_names_every_loader_once(tmp_path):
    config = {"use_rslora": True, "modules_to_save": ["lm_head"]}
    adapter = adapter_of(tmp_path / "a", {"l.0.v": np.ones(8)}, r=8, **config)
    said = summary.answer(adapters.spectra(adapter), adapter).strength
    for each in adapters.checks(adapter):
        assert said.count(each.title) == (0 if each.fits and "one " in each.title else 1)
    assert "Refused by vLLM 0.33.0, vLLM 0.31.0, llama.cpp." in said
    assert "Applied at 0.354 times the trained scale by SGLang" in said


def test_what_is_not_the_whole_update_is_not_called_so(tmp_path):
    adapter = adapter_of(tmp_path / "a", {"l.0.v": [1, 1, 1, 1]}, init_lora_weights="olora")
    found = summary.answer(adapters.spectra(adapter), adapter)
    assert found.rank.startswith("Of s B A, which is not the whole update here: in 1 module")
    assert "`truncate" not in " ".join(found.steps)


def test_differences_that_are_added_whole_are_no_rank_and_not_cut(tmp_path):
    made = {"b.a.lora_down.weight": draw(1, 4, 12), "b.a.lora_up.weight": draw(2, 16, 4),
            "b.c.diff": draw(3, 16, 12)}  # fmt: skip
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_bytes({name: (each, "F32") for name, each in made.items()}))
    adapter = adapters.read(path)
    found = summary.answer(adapters.spectra(adapter), adapter)
    assert found.rank.startswith("In 1 module of rank 4,")
    assert "Beside them 1 differences of any rank are added whole" in found.rank
    (cut,) = [step for step in found.steps if "truncate" in step or "little" in step]
    size = sum(found.rows[0].__dict__[key] for key in "dk")
    left = found.rows[0].rank99 * size / (4 * size)
    assert f"{left:.0%} of the parameters" in cut


def test_stacked_experts_are_one_kind(tmp_path):
    stem = "base_model.model.m.layers.0.mlp.experts"
    extra = {f"{stem}.lora_A.weight": (draw(1, 4, 3, 7), "F32"),
             f"{stem}.lora_B.weight": (draw(2, 4, 6, 3), "F32")}  # fmt: skip
    folder = peft_folder(tmp_path / "a", modules=[], extra=extra, rank_pattern={})
    made = adapters.rows(adapters.spectra(adapters.read(folder)))
    assert [each.name for each in adapters.groups(made, "kind")] == ["mlp.experts.*"]


def test_an_untrained_adapter(tmp_path):
    adapter = adapter_of(tmp_path / "a", {"l.0.v": [0.0, 0, 0, 0]})
    found = summary.answer(adapters.spectra(adapter), adapter)
    assert found.rank.startswith("All 1 updates are zero")
    assert found.steps == ()


def test_two_checkpoints_have_no_loaders():
    found = summary.answer([Spectrum("m", "linear", (9, 9), 3, 1.0, np.array([5.0, 1, 0.1]))])
    assert (found.strength, found.checks) == ("", ())
    assert "A LoRA of rank 2" in found.steps[0]
