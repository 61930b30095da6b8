"""Who may run: a first-come, first-served gate of places and cache blocks.

Everything here runs on one event loop.
"""

from __future__ import annotations

import asyncio
import collections


class Gate:
    """Lets requests in while there is a place, and room for their whole length.

    vLLM hands out cache blocks as a request grows, and takes them back when there
    are none. Here they are set aside at once, so that what is let in runs to its
    end, and the numbers of those who run and who wait are exact.
    """

    def __init__(self, places: int, blocks: int) -> None:
        self.places = places  # free ones
        self.blocks = blocks
        self.running = 0
        self._waiting: collections.deque[tuple[int, asyncio.Future[None]]] = collections.deque()

    @property
    def waiting(self) -> int:
        """Requests that are not let in yet."""
        return len(self._waiting)

    async def enter(self, blocks: int) -> None:
        """Wait for one's turn. Whoever is cancelled while waiting is not let in."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((blocks, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(blocks)  # it was let in as it gave up
            else:
                self._waiting.remove((blocks, turn))
                self._admit()  # it may have stood before a smaller one
            raise

    def leave(self, blocks: int) -> None:
        """Give place and blocks back."""
        self.running -= 1
        self.places += 1
        self.blocks += blocks
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.places > 0 and self._waiting[0][0] <= self.blocks:
            blocks, turn = self._waiting.popleft()
            self.running += 1
            self.places -= 1
            self.blocks -= blocks
            if not turn.done():
                turn.set_result(None)
