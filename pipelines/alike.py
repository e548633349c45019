"""Which images are the same picture, or nearly so: re-encoded, resized, brightened copies.

Two images are alike when their perceptual hashes differ in few bits and their thumbnails agree. Hashes are compared by
bands: two that differ in at most k of 64 bits agree in at least one of k + 1 bands, so that only images which share a
band need to be compared (Norouzi et al. 2012, 10.1109/CVPR.2012.6248043).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipelines.recipe import AlikeParams

BLOCK = 8192  # pairs compared at once, to bound memory
CROWD = 100


def twins(
    digests: pa.ChunkedArray, hashes: pa.ChunkedArray, thumbnails: pa.ChunkedArray, alike: AlikeParams
) -> np.ndarray:
    """For each image the place of the first one that is the same picture, itself if there is none before it.

    Likeness is passed on: a copy of a copy belongs to the same group.

    Args:
        digests: of the content; equal ones are the same picture, null is like no other.
        hashes: perceptual hashes, 16 hexadecimal digits; null for an image that cannot be read.
        thumbnails: grey levels at 16 x 16, 256 bytes.
    """
    group = _same_content(digests)
    _, first = np.unique(group, return_index=True)
    seen = np.sort(first[hashes.is_valid().to_numpy()[first]])
    if len(seen) > 1:
        codes = np.array([int(code, 16) for code in hashes.take(seen).to_pylist()], dtype=np.uint64)
        levels = np.frombuffer(b"".join(thumbnails.take(seen).to_pylist()), dtype=np.uint8)
        group = _with_alike(group, seen, codes, levels.reshape(len(seen), -1), alike)
    return _leaders(group)


def _same_content(digests: pa.ChunkedArray) -> np.ndarray:
    """For each image the place of the first one with the same digest."""
    coded = pc.fill_null(digests.combine_chunks().dictionary_encode().indices, -1).to_numpy(zero_copy_only=False)
    alone = coded < 0
    coded = np.where(alone, np.arange(len(coded)) + len(coded), coded)
    return _leaders(coded)


def _with_alike(
    group: np.ndarray, seen: np.ndarray, codes: np.ndarray, levels: np.ndarray, alike: AlikeParams
) -> np.ndarray:
    """Groups after joining those of images that are alike; what is together already is not compared again."""
    found: list[np.ndarray] = []
    for pairs in _candidates(codes, alike.hash_bits):
        apart = pairs[group[seen[pairs[:, 0]]] != group[seen[pairs[:, 1]]]]
        for start in range(0, len(apart), BLOCK):
            found.append(seen[_agreeing(apart[start : start + BLOCK], levels, alike.correlation)])
        if sum(map(len, found)) > len(seen):
            group, found = _joined(group, found), []
    return _joined(group, found)


def _joined(group: np.ndarray, pairs: Sequence[np.ndarray]) -> np.ndarray:
    """Groups after joining those of each pair."""
    ties = np.concatenate([np.column_stack([np.arange(len(group)), group]), *pairs])
    graph = coo_array((np.ones(len(ties), dtype=np.int8), (ties[:, 0], ties[:, 1])), shape=(len(group),) * 2)
    return _leaders(connected_components(graph, directed=False)[1])


def _leaders(group: np.ndarray) -> np.ndarray:
    """For each image the place of the first one in its group."""
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    return first[inverse]


def _candidates(codes: np.ndarray, most_bits: int) -> Iterator[np.ndarray]:
    """Pairs whose hashes differ in at most so many bits, as (pairs, 2); a pair may come twice.

    Of a crowd that shares a band, each is compared with the CROWD next ones in the order of their hashes.
    """
    edges = np.linspace(0, 64, most_bits + 2).round().astype(int)
    for low, high in pairwise(edges):
        band = (codes >> np.uint64(low)) & np.uint64(2 ** int(high - low) - 1)
        order = np.lexsort((codes, band))
        left = np.arange(len(order) - 1)
        for step in range(1, min(len(order), CROWD)):
            left = left[left + step < len(order)]
            left = left[band[order[left]] == band[order[left + step]]]
            if not len(left):
                break
            pair = np.column_stack([order[left], order[left + step]])
            yield pair[np.bitwise_count(codes[pair[:, 0]] ^ codes[pair[:, 1]]) <= most_bits]


def _agreeing(pairs: np.ndarray, levels: np.ndarray, least: float) -> np.ndarray:
    """Pairs whose thumbnails correlate; flat pictures, which look like anything, correlate with nothing."""
    first, second = (_standardised(levels[pairs[:, side]]) for side in (0, 1))
    return pairs[np.einsum("ij,ij->i", first, second) >= least]


def _standardised(levels: np.ndarray) -> np.ndarray:
    centred = levels - levels.mean(axis=1, keepdims=True, dtype=np.float32)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
