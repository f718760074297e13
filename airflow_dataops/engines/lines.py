# SPDX-License-Identifier: Apache-2.0
"""Compressed or plain text -> Arrow batches of numbered lines or CSV records. No Python loop runs per line."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute

from airflow_dataops.clients.storage import Storage
from airflow_dataops.core.errors import SpecError
from airflow_dataops.engines.files import unreadable

pc: Any = pyarrow.compute  # its stubs know no binary arrays
_BLOCK = 8 * 2**20
# A quote that is still open after this much is a stray one: its line is given up, not all that follows.
_LONGEST_RECORD = 2**20
_LONGEST_LINE = 64 * 2**20
SCHEMA = pa.schema(cast(Any, [("line_number", pa.int64()), ("line", pa.binary())]))

_OPENERS: dict[str, Callable[[Any], Any]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": partial(pa.CompressedInputStream, compression="zstd"),
}


def batches(storage: Storage, path: str, *, encoding: str = "utf-8", quote: str = "") -> Iterator[pa.RecordBatch]:
    """Read a text file as batches of ``(line_number, line)``.

    Args:
        storage: Where the file lies.
        path: File; unpacked by its ending (gz, bz2, xz, zst).
        encoding: Python's name of the text's encoding; the lines that come out are UTF-8 (or as they were, where they are not).
        quote: Quote character inside which a line break belongs to the record; empty where each line is a record.

    Yields:
        Batches with the 0-based number of each record's first line in the file, and the record without its last line break.

    Raises:
        InputError: The file is cut off or is not of its encoding or compression (``SOURCE_UNREADABLE``).
        SpecError: There is no such encoding (``ENCODING_UNKNOWN``).
    """
    reader = _Records(path, quote)
    with storage.open(path) as raw:
        for block in _blocks(raw, path, encoding):
            yield from reader.feed(block)
        yield from reader.end()


class _Records:
    """Cuts blocks into records and counts the lines."""

    def __init__(self, path: str, quote: str) -> None:
        self._path = path
        self._quote = quote.encode()
        self._rest = b""
        self._line = 0

    def feed(self, block: bytes) -> Iterator[pa.RecordBatch]:
        data = self._rest + block
        cut = data.rfind(b"\n")
        if cut < 0:
            self._keep(data)
            return
        yield from self._cut(data[:cut], data[cut + 1 :], last=False)

    def end(self) -> Iterator[pa.RecordBatch]:
        if self._rest:
            yield from self._cut(self._rest.removesuffix(b"\n"), b"", last=True)

    def _cut(self, whole: bytes, tail: bytes, *, last: bool) -> Iterator[pa.RecordBatch]:
        """Emit the records in ``whole`` (full lines); what an open quote keeps waiting goes before ``tail`` into the rest."""
        while True:
            lines = _split(whole)
            ends = self._ends(lines)
            done = ends[-1] + 1 if ends else 0
            if done:
                yield self._batch(lines, ends)
            waiting = b"\n".join(lines.slice(done).to_pylist()) if done < len(lines) else None
            if waiting is None:
                self._keep(tail)
                return
            if not last and len(waiting) <= _LONGEST_RECORD:
                self._keep(waiting + b"\n" + tail)
                return
            stray, more, whole = waiting.partition(b"\n")
            yield self._batch(pa.array([stray], pa.binary()), [0])
            if not more:
                self._keep(tail)
                return

    def _ends(self, lines: Any) -> Any:
        """Return the indices of the lines that end a record."""
        if not self._quote:
            return range(len(lines))
        odd = pc.bit_wise_and(pc.count_substring(lines, pattern=self._quote), 1)
        if pc.sum(odd).as_py() == 0:
            return range(len(lines))
        open_after = pc.bit_wise_and(pc.cumulative_sum(odd), 1)
        return pc.indices_nonzero(pc.equal(open_after, 0)).to_pylist()

    def _batch(self, lines: Any, ends: Any) -> pa.RecordBatch:
        if isinstance(ends, range):
            starts, records = pa.array(ends, pa.int64()), lines
        else:
            offsets = [0, *(end + 1 for end in ends)]
            starts = pa.array(offsets[:-1], pa.int64())
            records = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), lines), b"\n")
        batch = pa.record_batch([pc.add(starts, self._line), records], schema=SCHEMA)
        self._line += ends[-1] + 1
        return batch

    def _keep(self, rest: bytes) -> None:
        if len(rest) > _LONGEST_LINE:
            raise unreadable(
                self._path, f"line {self._line + 1} is longer than {_LONGEST_LINE // 2**20} MiB; is it a text file?"
            )
        self._rest = rest


def _split(whole: bytes) -> Any:
    lists = pc.split_pattern(pa.array([whole], pa.binary()), pattern=b"\n")
    return lists.flatten()


def _blocks(raw: BinaryIO, path: str, encoding: str) -> Iterator[bytes]:
    """Unpack a file and give its text as UTF-8, without a byte order mark."""
    opener = next((make for ending, make in _OPENERS.items() if path.lower().endswith(ending)), None)
    decode = _decoder(encoding)
    first = True
    try:
        stream = raw if opener is None else opener(fileobj=raw) if opener is gzip.GzipFile else opener(raw)
        while block := stream.read(_BLOCK):
            if decode:
                block = decode.decode(block).encode()
            yield block.removeprefix(codecs.BOM_UTF8) if first else block
            first = False
        if decode:
            decode.decode(b"", final=True)
    except (EOFError, OSError, lzma.LZMAError, zlib.error, UnicodeDecodeError, pa.ArrowException) as error:
        raise unreadable(path, f"{type(error).__name__}: {error}") from error


def _decoder(encoding: str) -> codecs.IncrementalDecoder | None:
    try:
        name = codecs.lookup(encoding).name
        decoder = codecs.getincrementaldecoder(name)()
    except LookupError as error:
        hint = "use one of Python's names: utf-8, latin-1, cp1252, utf-16"
        raise SpecError(f"unknown encoding {encoding!r}", hint=hint, code="ENCODING_UNKNOWN") from error
    return None if name in ("utf-8", "utf-8-sig", "ascii") else decoder
