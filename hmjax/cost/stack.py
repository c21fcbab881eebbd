"""The stack that reads are priced by: the least recently used value lies deepest.

The depth of a value is one more than the number of values that were used or made since. Every use
gives it a new time stamp, and a Fenwick tree over time stamps counts those that are later, in
O(log n).

Sources: Bennett & Kruskal, LRU stack processing, IBM J. Research and Development 19:353-357, 1975;
Fenwick, A new data structure for cumulative frequency tables, Software 24:327-336, 1994.
"""


class Stack:
    """Values by their numbers, the one used last at depth 1.

    Args:
      room: time stamps, at least, after which they are numbered anew.
    """

    def __init__(self, room: int = 1024) -> None:
        self._stamp: dict[int, int] = {}  # in the order of their stamps, which begin at 1
        self._least = room
        self._make_room()

    def __len__(self) -> int:
        return len(self._stamp)

    def push(self, value: int) -> None:
        """Puts a new value on top."""
        if self._latest == self._room:
            self._make_room()
        self._latest += 1
        self._stamp[value] = self._latest
        self._count(self._latest, 1)

    def depth(self, value: int) -> int:
        """How deep a value lies, 1 at the top."""
        stamp, tree, before = self._stamp[value] - 1, self._tree, 0
        while stamp:
            before += tree[stamp]
            stamp &= stamp - 1
        return len(self._stamp) - before

    def remove(self, value: int) -> None:
        """Takes a value away."""
        self._count(self._stamp.pop(value), -1)

    def move_to_top(self, value: int) -> None:
        """Puts a value on top that is there already."""
        if self._stamp[value] != self._latest:
            self.remove(value)
            self.push(value)

    def _count(self, stamp: int, by: int) -> None:
        tree, room = self._tree, self._room
        while stamp <= room:
            tree[stamp] += by
            stamp += stamp & -stamp

    def _make_room(self) -> None:
        """Numbers the stamps anew, without gaps, in a tree with room for as many again."""
        count = len(self._stamp)
        self._room = max(self._least, 4 * count)
        self._stamp = {value: stamp for stamp, value in enumerate(self._stamp, 1)}
        self._latest = count
        # A node counts the stamps from the one after its parent's to its own.
        self._tree = [
            max(0, min(node, count) - (node & (node - 1))) for node in range(self._room + 1)
        ]
