"""Keys brought into parts of neighbouring keys, small enough to be sorted in a processor's cache."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.parallel import chunks, over_chunks, over_parts
from lmbench.disk import Arrays

_TOP_BITS = 16
_LEAST = 1 << 17
_MOST_PARTS = 256
_SAMPLED = 1 << 20


def grouped(keys: Tensor, bits: int, arrays: Arrays | None = None) -> tuple[Tensor, Tensor, list[slice]]:
    """The keys part by part, [n] int64; where in `keys` each was, [n]; and the parts, one after the other.

    Every key of a part is less than every key of the next, and all equal keys are in one part. `keys`: [n] int64
    from 0 to 2^bits - 1, overwritten. Places are int32, from 2^31 keys on int64. On a GPU, and where there are few
    keys, all are one part.

    `arrays`: where to put the keys and places; None: in memory.

    A part is a range of the keys' 16 highest bits, chosen on a sample so that parts are about equally
    large; the keys of each chunk are grouped in a processor's cache before they are gathered part by part.
    """
    narrow = torch.int32 if len(keys) < 1 << 31 else torch.int64
    numbers = np.int32 if len(keys) < 1 << 31 else np.int64
    places = torch.empty(0 if arrays else len(keys), dtype=narrow, device=keys.device)
    if arrays is not None:
        places = torch.from_numpy(arrays("places.1", numbers, len(keys)))
    if keys.device.type != "cpu" or len(keys) <= 2 * _LEAST:
        torch.arange(len(keys), out=places)
        return keys, places, [slice(0, len(keys))] if len(keys) else []
    shift = max(0, bits - _TOP_BITS)
    part_of = _parts(keys, shift, max(_LEAST, len(keys) // _MOST_PARTS))
    count = int(part_of[-1]) + 1

    def group(chunk: slice) -> NDArray[np.int64]:
        """Group one chunk's keys in place; returns how many are in each part."""
        part = part_of.take((keys[chunk] >> shift).numpy())
        order = torch.from_numpy(np.argsort(part, kind="stable"))
        keys[chunk] = keys[chunk].index_select(0, order)
        places[chunk] = order + chunk.start
        return np.bincount(part, minlength=count)

    sizes = np.stack(over_chunks(group, len(keys), keys.device))  # [chunks, parts]
    starts = np.cumsum(np.append(np.zeros((len(sizes), 1), dtype=np.int64), sizes, axis=1), axis=1)
    starts += np.array([[chunk.start] for chunk in chunks(len(keys), keys.device)])
    bounds = np.append(0, np.cumsum(sizes.sum(axis=0))).tolist()
    parts = [slice(start, stop) for start, stop in pairwise(bounds)]
    if arrays is None:
        all_keys, all_places = torch.empty_like(keys), torch.empty_like(places)
    else:
        all_keys = torch.from_numpy(arrays("keys.2", np.int64, len(keys)))
        all_places = torch.from_numpy(arrays("places.2", numbers, len(keys)))

    def gather(index: slice) -> None:
        for number in range(index.start, index.stop):
            pieces = [slice(*piece) for piece in starts[:, number : number + 2].tolist()]
            torch.cat([keys[piece] for piece in pieces], out=all_keys[parts[number]])
            torch.cat([places[piece] for piece in pieces], out=all_places[parts[number]])

    over_parts(gather, [slice(number, number + 1) for number in range(count)], keys.device)
    return all_keys, all_places, [part for part in parts if part.stop > part.start]


def _parts(keys: Tensor, shift: int, width: int) -> NDArray[np.uint16]:
    """[2^16] the part of each value of the highest bits, ascending from 0, for parts of about `width` keys."""
    sample = (keys[:: max(1, len(keys) // _SAMPLED)] >> shift).numpy()
    seen = np.bincount(sample, minlength=1 << _TOP_BITS)
    begun = (np.cumsum(seen) - seen) * len(keys) // (len(sample) * width)  # whole numbers, which cannot step back
    part: NDArray[np.uint16] = np.unique(begun, return_inverse=True)[1].astype(np.uint16)
    return part
