"""How wide a net may be for its files to stay within so many bytes."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from lmbench.errors import LmbenchError, UsageError
from lmbench.net.base import Net, Setting, build

WIDEST = 16_384
_LONGEST = 1 << 20  # of a row, and of any other whole number among the options of a net that is read
_BESIDE = 1 << 20  # numbers that a net may hold beside its weights, such as those of its places
_HEADER = 96  # bytes of the header of a safetensors file for one tensor, besides its name


def blueprint(net: type[Net], setting: Setting, given: dict[str, Any]) -> Net:
    """The net as `build` makes it, without memory for its weights: for its costs alone."""
    with torch.device("meta"):
        return build(net, setting, given)[0]


def weight_bytes(net: Net) -> int:
    """Bytes of the file that holds the weights in float32, its header rounded up."""
    return sum(4 * p.numel() + len(name) + _HEADER for name, p in net.named_parameters())


def check_weights(
    net: type[Net], vocabulary: int, options: dict[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Raises ValueError where the net of these options, which nobody has to believe, has not weights of just these
    shapes, or needs more beside them than they are: before any memory is taken for it."""
    if any(isinstance(value, int) and not -_LONGEST <= value <= _LONGEST for value in options.values()):
        raise ValueError("an option is larger than any net's")
    if options.get("layers", 1) > len(shapes):
        raise ValueError(f"{options['layers']} layers, of {len(shapes)} tensors")
    with torch.device("meta"):
        drawn = net(vocabulary, **options)
    own = {name: tuple(p.shape) for name, p in drawn.named_parameters()}
    if own != dict(shapes):
        differing = sorted(name for name in own.keys() | shapes.keys() if own.get(name) != shapes.get(name))
        raise ValueError(f"its options are not those of its weights ({differing[0]})")
    beside = sum(buffer.numel() for buffer in drawn.buffers())
    if beside > max(_BESIDE, sum(math.prod(shape) for shape in shapes.values())) or drawn.row > _LONGEST:
        raise ValueError("its context is longer than its weights can be for")


def widest(net: type[Net], setting: Setting, given: dict[str, Any], limit: int) -> int:
    """The largest `width` with which the net's weights take at most `limit` bytes, its other options as they are.

    Widths are multiples of 8, beyond 512 of 64; those that the net refuses (no multiple of its heads) are passed
    over. Raises LmbenchError with the least that is possible where even the narrowest net is too large, and where the
    net has no such option.
    """
    if "width" not in inspect.signature(net.__init__).parameters:
        raise LmbenchError(f"{net.__name__} has no option width to be chosen by its bytes; match its seconds instead")
    found, least = 0, 0
    for width in _widths():
        try:
            size = weight_bytes(blueprint(net, setting, {**given, "width": width}))
        except UsageError:
            continue
        if size > limit:
            least = least or size
            break
        found = width
    if not found:
        raise LmbenchError(
            f"no width makes the net small enough: its files may take {max(0, limit):,} bytes, and its narrowest "
            f"form takes {least:,}; give it fewer layers, or match it with a larger n-gram"
        )
    return found


def _widths() -> Iterator[int]:
    return itertools.chain(range(8, 512, 8), range(512, WIDEST + 1, 64))
