"""`bench layers`: errors and bytes of 4-bit layers."""
import pytest

from effml_lab.bench import layers
from effml_lab.efficiency import svdquant
from effml_lab.measure import records

COARSE = [None] + [(a, 1 - a) for a in (0.3, 0.5, 0.8, 0.95)]


def test_the_table_of_layers_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(layers, "SIZES", ((256, 256), (256, 512)))
    monkeypatch.setattr(svdquant, "EXPONENTS", COARSE)
    monkeypatch.setattr(layers, "WAYS", {"rounded": (0, [None]), "SVDQuant": (32, COARSE)})
    assert "layers.jsonl" in layers.measure(tmp_path, width=128, rows=256)
    rows = records.latest(tmp_path / "layers.jsonl")
    error = lambda name: rows[name].quality["error"]["value"]
    assert error("SVDQuant, w4a4, 8 outliers") < 0.5 * error("rounded, w4a4, 8 outliers")
    assert error("rounded, w8a8, 0 outliers") < error("rounded, w4a4, 0 outliers")
    assert rows["bytes, w4a8, 256 -> 256"].bytes == 256 * 128 + 4 * 256 + 2 * 256 + 2 * 256 + 4 * 32 * 256
    assert rows["bytes, w4a4, 256 -> 512"].bytes == 512 * 128 + 8 * 512 + 2 * 256 + 2 * 32 * (256 + 512)
    with pytest.raises(ValueError, match="bench kernels"):
        layers.measure(tmp_path, "cuda")
