from __future__ import annotations

import pytest

from lmbench.net._sizing import blueprint
from lmbench.net.base import Setting
from lmbench.net.transformer import Transformer
from lmbench.training.utilisation import peak_flops, utilisation


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100 80GB PCIe", 312),
        ("NVIDIA H100 80GB HBM3", 989.5),
        ("NVIDIA H100 PCIe", 756.5),
        ("NVIDIA H100 NVL", 835.5),
        ("NVIDIA H200", 989.5),
        ("NVIDIA GH200 480GB", 989.5),
        ("NVIDIA L4", 121),
        ("NVIDIA GeForce RTX 4090", 165.2),
    ],
)
def test_peaks_go_by_the_name_that_torch_gives(name: str, tera: float) -> None:
    assert peak_flops(name) == pytest.approx(tera * 1e12)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        "Tesla T4",
    ],
)
def test_what_is_not_known_has_no_peak(name: str) -> None:
    assert peak_flops(name) is None
    assert utilisation(1e9, 1e6, peak_flops(name), 1) is None


def test_operations_of_gpt2_are_those_of_palm_appendix_b() -> None:
    net = blueprint(Transformer, Setting(50_257, 10**9, "cuda"), {"preset": "gpt2"})
    layers, heads, head_width, length = 12, 12, 64, 1_024
    matrices = layers * 12 * 768**2 + 50_257 * 768  # each multiplied weight: the blocks' and the output layer's
    palm = 6 * matrices + 12 * layers * heads * head_width * length
    assert net.costs(length)["flops_per_token"] == palm
    # an H200 that trains on 500,000 tokens a second of it is busy to 43 %
    share = utilisation(palm, 500_000, peak_flops("NVIDIA H200"), 1)
    assert share == pytest.approx(0.43175, abs=1e-5)
    assert utilisation(palm, 500_000, peak_flops("NVIDIA H200"), 2) == pytest.approx(share / 2)  # type: ignore[operator]
