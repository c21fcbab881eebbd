"""Text as a terminal has room for it."""

import re
import shutil
import sys
from collections.abc import Iterator


def fitted(text: str, width: int | None = None) -> str:
    """Text whose Markdown tables, where they are too wide, are lists.

    Args:
      text: with or without tables.
      width: of a line; if not given, that of the terminal, or as wide as it takes where what is
        printed goes elsewhere.
    """
    if width is None:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    lines: list[str] = []
    for is_table, block in _blocks(text):
        too_wide = is_table and max(map(len, block)) > width
        lines += _as_list(block) if too_wide else block
    return "\n".join(lines)


def _blocks(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Runs of lines, and whether each is a table."""
    block: list[str] = []
    for line in text.split("\n"):
        if block and block[0].startswith("|") != line.startswith("|"):
            yield block[0].startswith("|"), block
            block = []
        block.append(line)
    yield block[0].startswith("|"), block


def _as_list(table: list[str]) -> list[str]:
    """A row after the other, a line a cell."""
    (_, *header), _, *rows = map(_cells, table)
    lines = []
    for name, *cells in rows:
        lines.append(name)
        lines += [f"  {of}: {cell}" for of, cell in zip(header, cells, strict=True) if cell]
    return lines


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line)[1:-1]
    return [cell.strip().replace("\\|", "|") for cell in cells]
