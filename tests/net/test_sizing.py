from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from lmbench.errors import LmbenchError
from lmbench.net import nets
from lmbench.net._sizing import blueprint, weight_bytes, widest
from lmbench.net.base import Net, Setting, build

SETTING = Setting(vocabulary=60, train_tokens=10_000)


@pytest.mark.parametrize("name", nets.names)
def test_the_widest_net_that_fits_and_no_wider(name: str, tmp_path: Path) -> None:
    architecture, limit = nets.load(name), 2_000_000
    width = widest(architecture, SETTING, {}, limit)
    net, _ = build(architecture, SETTING, {"width": width})
    save_file({key: p.detach().contiguous() for key, p in net.named_parameters()}, tmp_path / "weights")
    size = (tmp_path / "weights").stat().st_size
    assert size <= weight_bytes(net) <= limit
    assert weight_bytes(net) - size < 5_000  # what is reserved for the header
    wider = weight_bytes(build(architecture, SETTING, {"width": width + (8 if width < 512 else 64)})[0])
    assert wider > limit


def test_widths_that_heads_do_not_divide_are_passed_over() -> None:
    given: dict[str, Any] = {"heads": 3, "layers": 1}
    width = widest(nets.load("transformer"), SETTING, given, 500_000)
    assert width % 3 == 0
    assert weight_bytes(blueprint(nets.load("transformer"), SETTING, {**given, "width": width + 24})) > 500_000


def test_a_limit_that_no_width_meets_is_an_error() -> None:
    with pytest.raises(LmbenchError, match=r"may take 900 bytes.*narrowest form takes [\d,]+; give it fewer layers"):
        widest(nets.load("transformer"), SETTING, {}, 900)


def test_a_blueprint_has_costs_and_no_weights() -> None:
    drawn = blueprint(nets.load("lstm"), SETTING, {"width": 4_096})
    assert {p.device.type for p in drawn.parameters()} == {"meta"}
    assert drawn.costs(64)["parameters"] == sum(p.numel() for p in drawn.parameters()) > 2 * 8 * 4_096**2


def test_a_net_without_a_width_is_named() -> None:
    class Fixed(Net):
        def __init__(self, vocabulary: int) -> None:
            super().__init__()

    with pytest.raises(LmbenchError, match="Fixed has no option width"):
        widest(Fixed, SETTING, {}, 1_000)
