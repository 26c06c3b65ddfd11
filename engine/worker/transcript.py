"""An answer's text as it grows: whole characters only, and nothing that may yet become a stop string."""

import codecs
from collections.abc import Sequence


class Transcript:
    """Takes the bytes of tokens, gives text."""

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self.stopped = False
        """A stop string was met; it and what follows are not shown."""
        self._stop = tuple(stop)
        self._longest = max(map(len, self._stop), default=0)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""

    def feed(self, raw: bytes) -> str:
        """What may be shown after these bytes."""
        text = self._held + self._decoder.decode(raw)
        found = [place for stop in self._stop if (place := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        keep = self._maybe_stop(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """What was held back, now that nothing follows; half a character is never shown."""
        held, self._held = self._held, ""
        return held

    def _maybe_stop(self, text: str) -> int:
        """Length of the longest end of `text` with which a stop string begins."""
        for length in range(min(len(text), self._longest - 1), 0, -1):
            end = text[-length:]
            if any(stop.startswith(end) for stop in self._stop):
                return length
        return 0
