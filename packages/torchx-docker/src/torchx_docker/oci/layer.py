"""One compressed layer, kept in a temporary file until it is uploaded: memory does not grow with the workspace."""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
from typing import TYPE_CHECKING

from torchx_docker.fast_zlib import fast_zlib
from torchx_docker.oci.media import ZSTD
from torchx_docker.oci.upload import Blob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Bytes that are read back at a time.
PIECE = 1 << 20
#: Bytes that are compressed at a time.
CUT = 1 << 18
#: Code is compressed once and moved once or twice: the fastest levels that still compress.
GZIP_LEVEL, ZSTD_LEVEL = 1, 3
#: For zlib: 15 bits of window, and gzip's header (without name and time, so that it is always the same).
_GZIP_BITS = 31
_DEFLATED = 8


class Layer:
    """A layer.

    Attributes:
        diff_id: the digest of the archive.
        digest: the digest of the compressed archive.
        size: the size of the compressed archive, in bytes.
        compression: ``gzip`` or ``zstd``.
    """

    def __init__(self, file: int, diff_id: str, digest: str, size: int, compression: str) -> None:
        self._file = file
        weakref.finalize(self, os.close, file)
        self.diff_id = diff_id
        self.digest = digest
        self.size = size
        self.compression = compression

    @property
    def blob(self) -> Blob:
        """What is uploaded."""
        return Blob(self.digest, self.size, self)

    def read_from(self, offset: int) -> Iterator[bytes]:
        """The bytes of the compressed archive from an offset on."""
        while piece := os.pread(self._file, PIECE, offset):
            offset += len(piece)
            yield piece

    def __deepcopy__(self, memo: object) -> Layer:
        return self  # it is never changed, and holds an open file


def make_layer(archive: Iterable[bytes], compression: str) -> Layer:
    """Compresses an archive.

    Args:
        archive: its bytes, in pieces.
        compression: ``gzip`` or ``zstd``.

    Raises:
        OSError: the temporary file can't be written.
    """
    compress, flush = _compressor(compression)
    plain, packed = hashlib.sha256(), hashlib.sha256()
    size = 0
    with tempfile.TemporaryFile(prefix="torchx-layer-") as file:
        for piece in _compressed(archive, compress, flush, plain.update):
            packed.update(piece)
            size += len(piece)
            file.write(piece)
        file.flush()
        kept = os.dup(file.fileno())
    return Layer(kept, f"sha256:{plain.hexdigest()}", f"sha256:{packed.hexdigest()}", size, compression)


def _compressed(
    archive: Iterable[bytes],
    compress: Callable[[memoryview], bytes],
    flush: Callable[[], bytes],
    seen: Callable[[memoryview], object],
) -> Iterator[bytes]:
    # What fast compressors make of the same bytes depends on how they are cut.
    for piece in _equal_pieces(archive):
        seen(piece)
        if packed := compress(piece):
            yield packed
    yield flush()


def _equal_pieces(archive: Iterable[bytes]) -> Iterator[memoryview]:
    """The same bytes in pieces of :data:`CUT`, but for the last one; each is good until the next one is asked for.

    They share one buffer: allocating each anew would leave memory in fragments, more of it the larger the archive is.
    """
    buffer = memoryview(bytearray(CUT))
    filled = 0
    for piece in archive:
        left = memoryview(piece)
        while len(left):
            count = min(len(left), CUT - filled)
            buffer[filled : filled + count] = left[:count]
            filled, left = filled + count, left[count:]
            if filled == CUT:
                yield buffer
                filled = 0
    yield buffer[:filled]


def _compressor(compression: str) -> tuple[Callable[[memoryview], bytes], Callable[[], bytes]]:
    if compression == ZSTD:
        import zstandard

        packer = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
        return packer.compress, packer.flush
    gzip = fast_zlib().compressobj(GZIP_LEVEL, _DEFLATED, _GZIP_BITS)
    return gzip.compress, gzip.flush
