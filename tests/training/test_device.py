from __future__ import annotations

import pytest
import torch

from lmbench.training import device
from lmbench.training.budget import Budget


def test_bfloat16_only_where_the_processor_multiplies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for native, expected in ((True, torch.bfloat16), (False, None)):
        monkeypatch.setattr(device, "instructions", lambda native=native: ["AVX2", "bfloat16"] if native else ["AVX2"])
        assert device.autocast_type("auto", "cpu") is expected
    assert device.autocast_type("float32", "cpu") is None
    assert device.autocast_type("bfloat16", "cpu") is torch.bfloat16


def test_only_a_long_training_on_a_gpu_is_worth_compiling_for() -> None:
    def worth(budget: Budget, on: str = "cuda", flops: float = 1e6, by_region: bool = False) -> bool:
        return device.worth_compiling(budget, on, flops, by_region)

    assert not worth(Budget(seconds=1_000), "cpu")
    assert worth(Budget(seconds=180))
    assert not worth(Budget(seconds=60, tokens=10**9))
    assert worth(Budget(seconds=60), by_region=True)
    assert not worth(Budget(tokens=4_000))
    assert worth(Budget(tokens=10**8))
    assert worth(Budget(flops=1e14))  # 10^8 tokens
    assert not worth(Budget(flops=1e14), flops=1e7)


def test_rows_of_a_large_vocabulary_are_taken_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_gpu_memory", lambda: 1 << 35)
    assert device.micro_rows(16, 128 * 66, "cpu") == 16
    assert device.micro_rows(16, 128 * 50_257, "cpu") == 8  # 2^26 // (128 x 50,257) = 10, and 8 parts evenly
    assert device.micro_rows(64, 1024 * 50_257, "cuda") == 8  # of 32 GiB
    monkeypatch.setattr(device, "_gpu_memory", lambda: 139 << 30)
    assert device.micro_rows(64, 1024 * 50_257, "cuda") == 32
    assert device.micro_rows(17, 128 * 50_257, "cpu") == 10  # a prime has no even parts
    assert device.micro_rows(16, 1 << 30, "cpu") == 1


def test_a_small_batch_takes_few_threads_and_gives_them_back() -> None:
    before = torch.get_num_threads()
    with device.few_threads(100):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
