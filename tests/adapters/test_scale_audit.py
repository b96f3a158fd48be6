"""The scales that an adapter was trained with, and those that loaders apply."""

import pytest

from helpers import adapters
from helpers.adapters import scale_audit
from tests.support.adapters import peft_folder


@pytest.mark.parametrize("use_rslora", [False, True])
def test_the_audit(tmp_path, use_rslora):
    folder = peft_folder(tmp_path / "a", use_rslora=use_rslora, alpha_pattern={"q_proj": 6})
    audits = adapters.audit(adapters.read(folder))
    assert sorted((each.modules, each.rank, each.alpha) for each in audits) == [
        (1, 2, 12.0), (2, 3, 6.0), (2, 3, 12.0),
    ]  # fmt: skip
    for each in audits:
        low, high = each.alpha / each.rank, each.alpha / each.rank**0.5
        assert (each.standard, each.rslora) == pytest.approx((low, high), rel=1e-14)
        trained = high if use_rslora else low
        assert each.trained == pytest.approx(trained, rel=1e-14)
        assert each.standard_ratio == pytest.approx(low / trained, rel=1e-14)
        assert each.rslora_ratio == pytest.approx(high / trained, rel=1e-14)
    assert len(repr(scale_audit.table(audits)).splitlines()[0]) <= 100
    said = scale_audit.verdict(audits)
    assert ("0.5774 of the trained scale, 1.732 times too weak" in said) == use_rslora
    assert ("The rule is alpha/r, the common one" in said) != use_rslora
    ends = sorted(each.trained for each in audits)
    assert f"differ between modules, from {ends[0]:.4g} to {ends[-1]:.4g}" in said
    assert "differ" not in scale_audit.verdict(audits[:1])


def test_loaders_have_a_source_and_a_date():
    for loader in adapters.loaders():
        assert loader.source.startswith("https://")
        assert loader.date[:4] in ("2024", "2025", "2026")
        assert loader.fault
        assert loader.state
