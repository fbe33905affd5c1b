"""Names of images, in one piece of memory, or mapped from a file."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload


class Names(Sequence[str]):
    """An immutable sequence of names, as a tuple of them is, in a third of the memory: their text and where each ends.

    >>> names = Names(["cat/1.jpg", "dog/2.jpg"])
    >>> names[1], len(names), names == ("cat/1.jpg", "dog/2.jpg")
    ('dog/2.jpg', 2, True)
    """

    __slots__ = ("_ends", "_text")

    def __init__(self, names: Iterable[str]) -> None:
        text, ends = bytearray(), array("q", [0])
        for name in names:
            text += name.encode("utf-8", "surrogatepass")  # bytes of a file's name that are no text are lone surrogates
            ends.append(len(text))
        self._text, self._ends = memoryview(bytes(text)), memoryview(ends).toreadonly()

    @classmethod
    def of_buffers(cls, text: Any, ends: Any) -> "Names":
        """Names whose text, bytes in UTF-8, and ends, 64-bit integers from 0 on, are kept elsewhere and are not copied."""
        names = cls(())
        names._text, names._ends = memoryview(text).toreadonly(), memoryview(ends).toreadonly()
        return names

    @property
    def text(self) -> memoryview:
        """All names, one after another, in UTF-8."""
        return self._text

    @property
    def ends(self) -> memoryview:
        """0, and where each name ends in `text`, as 64-bit integers."""
        return self._ends

    def __reduce__(self) -> tuple[Any, ...]:
        return Names.of_buffers, (self._text.tobytes(), array("q", self._ends.tobytes()))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, position: int) -> str: ...
    @overload
    def __getitem__(self, position: slice) -> tuple[str, ...]: ...
    def __getitem__(self, position: int | slice) -> str | tuple[str, ...]:
        count = len(self)
        if isinstance(position, slice):
            return tuple(self[place] for place in range(*position.indices(count)))
        place = position + count if position < 0 else position
        if not 0 <= place < count:
            raise IndexError(f"name {position} of {count}")
        return str(self._text[self._ends[place] : self._ends[place + 1]], "utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        begin = 0
        for end in self._ends[1:]:
            yield str(self._text[begin:end], "utf-8", "surrogatepass")
            begin = end

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Names):
            return self._ends.cast("B") == other._ends.cast("B") and self._text == other._text
        return isinstance(other, tuple | list) and len(other) == len(self) and all(map(str.__eq__, self, other))

    def __hash__(self) -> int:
        return hash(self._text.tobytes())

    def __repr__(self) -> str:
        return f"Names({list(self)!r})"
