"""Names sorted into pairs and what is odd, by hand."""

import pytest

from helpers.adapters.tensor_names import mended, sort_names
from helpers.tensorfile import Entry


def test_every_odd_module_is_told_with_its_own_name():
    """One after the other, so that none takes the place of another."""
    found = sort_names({
        name: Entry("F32", (2, 2), 0, 16)
        for name in (
            "good.lora_A.weight", "good.lora_B.weight",
            "half.lora_A.weight",
            "twice.lora_A.a.weight", "twice.lora_B.a.weight",
            "twice.lora_A.b.weight", "twice.lora_B.b.weight",
            "middle.lora_A.weight", "middle.lora_B.weight", "middle.lora_diag",
            "styles.lora_A.weight", "styles.lora_B.weight",
            "styles.lora_down.weight", "styles.lora_up.weight",
        )
    })  # fmt: skip
    assert [pair.name for pair in found.pairs] == ["good"]
    assert found.left == ["middle.lora_diag"]
    assert len(found.odd) == 1 + 4 + 2 + 4
    for name, reason in found.odd.items():
        module = name.partition(".")[0]
        assert {
            "half": "lacks its other half, half.lora_B.weight",
            "middle": "module middle has lora_diag between its factors",
        }.get(module, f"module {module} has more than one pair of factors") in reason


@pytest.mark.parametrize(
    "name, source, expected",
    [
        ("_orig_mod.base_model.model.q.lora_A.default.weight", "peft",
         "base_model.model.q.lora_A.weight"),
        ("q.lora_B", "peft", "base_model.model.q.lora_B.weight"),
        ("base_model.model.e.lora_embedding_A.x", "peft", "base_model.model.e.lora_embedding_A"),
        ("module.q.lora_down.weight", "kohya", "q.lora_down.weight"),
        ("q.lora_A.alpha", "diffusers", "q.lora_A.alpha"),
        ("_orig_mod.q.hada_w1_a", "lycoris", "q.hada_w1_a"),
        ("_orig_mod.q.lora_a", "mlx", "_orig_mod.q.lora_a"),
    ],
)  # fmt: skip
def test_names_as_loaders_look_for_them(name, source, expected):
    assert mended(name, source) == expected
