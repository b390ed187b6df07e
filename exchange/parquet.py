"""Spikes as a Parquet file: one column each, plain numbers, which any tool that reads Parquet opens.

pyarrow reads and writes it, an extra of this package (``unlayered[pieces]``): who keeps traces in memory needs none of
its 45 MB, and it is the library whose Parquet reader is under continuous fuzzing.
"""

from __future__ import annotations

import io
from dataclasses import fields
from importlib import import_module
from typing import Any

from exchange.npz import budget_of
from ir.check import FormatError, TargetError
from ir.trace import COLUMNS, Spikes

ROWS_A_GROUP = 1 << 20
"""Spikes that a reader may take at once."""

OPTIONAL = {"ps", "payload"}
"""Columns that not every trace has."""

MISSING = "traces in pieces need pyarrow, which is not installed; pip install 'unlayered[pieces]'"


def _arrow() -> tuple[Any, Any]:
    """pyarrow and its Parquet.

    Raises:
        TargetError: it is not installed.
    """
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise TargetError(MISSING) from error


def check_installed() -> None:
    """Raise before anything is run, where Parquet cannot be written.

    Raises:
        TargetError: pyarrow is not installed.
    """
    _arrow()


def parquet_of(spikes: Spikes) -> memoryview:
    """The bytes of a Parquet file: a column for each of the spikes', packed by LZ4."""
    arrow, parquet = _arrow()
    columns = {f.name: getattr(spikes, f.name) for f in fields(Spikes)}
    arrays = {name: arrow.array(column) for name, column in columns.items() if column is not None}
    schema = arrow.schema([arrow.field(name, array.type, nullable=False) for name, array in arrays.items()])
    table = arrow.table(list(arrays.values()), schema=schema)
    content = _packed(parquet, table, "lz4")
    if _claimed(table) > budget_of(len(content)):  # so well packed that the reader would be wary of it
        content = _packed(parquet, table, "none")
    return content


def _packed(parquet: Any, table: Any, how: str) -> memoryview:
    buffer = io.BytesIO()
    parquet.write_table(
        table,
        buffer,
        compression=how,
        row_group_size=ROWS_A_GROUP,
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    )
    return buffer.getbuffer()


def _claimed(table: Any) -> int:
    return 8 * table.num_columns * table.num_rows


def spikes_of(content: bytes) -> Spikes:
    """The spikes of a Parquet file that :func:`parquet_of` wrote; no other file is opened.

    Raises:
        FormatError: it is damaged, holds other columns, or takes more memory than a file of its size may.
        ValueError: the columns are no spikes.
    """
    arrow, parquet = _arrow()
    try:
        file = parquet.ParquetFile(arrow.BufferReader(content), memory_map=False, pre_buffer=False)
        _check_columns(arrow, file.schema_arrow)
        n = file.metadata.num_rows
        if not 0 <= 8 * n * len(file.schema_arrow) <= budget_of(len(content)):
            raise FormatError(f"it claims {n} spikes, more than a file of its size holds; it is forged")
        table = file.read(use_threads=False)
        if any(column.null_count for column in table.columns):
            raise FormatError("it holds spikes without a number; write it with unlayered")
        return Spikes(**{name: table.column(name).to_numpy() for name in table.column_names})
    except (arrow.ArrowException, OSError, OverflowError) as error:
        raise FormatError(f"it is damaged or no Parquet file ({' '.join(str(error).split())[:160]})") from error


def _check_columns(arrow: Any, schema: Any) -> None:
    """Raise unless the columns are those of spikes, each of plain numbers."""
    known = {f.name for f in fields(Spikes)}
    found = list(schema.names)
    if len(set(found)) < len(found) or not known - OPTIONAL <= set(found) <= known:
        raise FormatError("its columns are not those of spikes; write it with unlayered")
    for name in found:
        kind = schema.field(name).type
        whole = arrow.types.is_integer(kind)
        if not (whole or (name not in COLUMNS and name != "ps" and arrow.types.is_floating(kind))):
            raise FormatError(f"its column {name!r} has type {kind}; spikes are plain numbers")
