"""Arrays as nnInteractive's remote clients send them: a header and blosc2 frames. Needs the extra `serve`.

::

    "NNIA" | version 1 | codec | ndim | length of the type's name | name | shape (int64 each) | chunks (uint32)
    per chunk: bytes (uint64) | bytes of its frame (uint64) | blosc2 frame

All little-endian; after `nnInteractive.inference.remote.serialization` of nnInteractive 2.6 (Isensee et al.).
"""

from __future__ import annotations

import math
import struct
from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from hyoid.errors import UnreadableFileError

_MAGIC, _VERSION = b"NNIA", 1
_ZSTD = 1
_CODECS = (_ZSTD, 2)
_TYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
_MOST_AXES = 4
# blosc2 counts the bytes of a frame with 32 bits.
_CHUNK = 1 << 30


def pack_array(array: NDArray[Any]) -> bytes:
    """Pack an array into bytes.

    Examples
    --------
    >>> unpack_array(pack_array(np.arange(6, dtype=np.uint8).reshape(2, 3)), largest_bytes=100).tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    array = np.ascontiguousarray(array)
    name = array.dtype.name.encode()
    raw = array.reshape(-1).view(np.uint8)
    starts = range(0, raw.nbytes, _CHUNK)
    parts = [
        struct.pack("<4s4B", _MAGIC, _VERSION, _ZSTD, array.ndim, len(name)), name,
        struct.pack(f"<{array.ndim}qI", *array.shape, len(starts)),
    ]  # fmt: skip
    for start in starts:
        part = raw[start : start + _CHUNK]
        frame = blosc2.compress2(
            part, typesize=array.dtype.itemsize, codec=blosc2.Codec.ZSTD, clevel=1, filters=[blosc2.Filter.NOFILTER]
        )
        parts += [struct.pack("<QQ", part.nbytes, len(frame)), frame]
    return b"".join(parts)


def unpack_array(content: bytes, *, largest_bytes: int) -> NDArray[Any]:
    """Unpack an array that `pack_array`, or a client, made.

    Parameters
    ----------
    content : bytes
        Header and blosc2 frames.
    largest_bytes : int
        Largest size of an unpacked array; a larger one is refused before memory is taken for it.

    Raises
    ------
    UnreadableFileError
        When the content is damaged, of another format, or too large.
    """
    try:
        return _unpacked(content, largest_bytes)
    except (struct.error, UnicodeDecodeError, ValueError, RuntimeError) as error:
        raise _refused("is cut short or damaged") from error


def _unpacked(content: bytes, largest_bytes: int) -> NDArray[Any]:
    magic, version, codec, axes, length = struct.unpack_from("<4s4B", content)
    if (magic, version) != (_MAGIC, _VERSION) or codec not in _CODECS or axes > _MOST_AXES:
        raise _refused("is not in the format of nnInteractive's client")
    at = 8 + length
    name = content[8:at].decode("ascii")
    if name not in _TYPES:
        raise _refused(f"holds values of type {name!r}")
    *shape, chunks = struct.unpack_from(f"<{axes}qI", content, at)
    at += 8 * axes + 4
    dtype = np.dtype(name)
    total = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 1:
        raise _refused("is empty")
    if total > largest_bytes:
        raise _refused(f"takes {total / 1024**3:.1f} GiB, more than the {largest_bytes / 1024**3:.1f} GiB taken here")
    array = np.empty(math.prod(shape), dtype)
    view, done = memoryview(content), 0
    for _ in range(chunks):
        size, packed = struct.unpack_from("<QQ", content, at)
        at += 16
        frame = view[at : at + packed]
        # A frame is believed only when its own header says the same size: blosc2 writes what the frame holds.
        if len(frame) != packed or done + size > total or size % dtype.itemsize:
            raise _refused("is cut short or damaged")
        if blosc2.get_cbuffer_sizes(frame)[0] != size:
            raise _refused("is cut short or damaged")
        blosc2.decompress2(frame, dst=array[done // dtype.itemsize : (done + size) // dtype.itemsize])
        done, at = done + size, at + packed
    if done != total:
        raise _refused("is cut short or damaged")
    return array.reshape(shape)


def _refused(words: str) -> UnreadableFileError:
    return UnreadableFileError(f"The array that was sent {words}.", "Send it again with nnInteractive's own client.")
