"""Answers held to a JSON schema, by llguidance: which tokens may come next.

Masks are computed in a thread of their own while the model computes. Knows no requests.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from threading import Lock

import numpy
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer
from transformers import PreTrainedTokenizerBase

from engine.worker.refusals import BadSchema

KEPT_GRAMMARS = 64
MOST_SCHEMA_CHARACTERS = 100_000
# Spaces as json.dumps writes them, and no others: free whitespace lets a small model write newlines until its limit.
STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}

logger = logging.getLogger(__name__)


class Constraint:
    """One answer's way through a grammar."""

    def __init__(self, matcher: LLMatcher, pool: ThreadPoolExecutor) -> None:
        self._matcher, self._pool = matcher, pool
        self.ended = False
        """Nothing more may follow."""
        self._mask: Future[bytes] = pool.submit(matcher.compute_bitmask)

    def allowed(self, size: int) -> torch.Tensor:
        """For a vocabulary of `size` tokens, true where a token may come next."""
        bits = numpy.unpackbits(numpy.frombuffer(self._mask.result(), dtype=numpy.uint8), bitorder="little")
        allowed = numpy.zeros(size, dtype=bool)
        allowed[: len(bits)] = bits[:size]
        return torch.from_numpy(allowed)

    def take(self, token: int) -> None:
        """Go on by a token that was allowed."""
        if not self._matcher.consume_token(token):
            raise ValueError(f"the grammar does not take token {token}: {self._matcher.get_error()}")
        self.ended = (
            self._matcher.is_stopped()
        )  # asked before the next mask is computed: then it belongs to the pool
        if not self.ended:
            self._mask = self._pool.submit(self._matcher.compute_bitmask)


class Grammars:
    """Compiled schemas for one tokenizer, the last used ones kept."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, ends: Iterable[int]) -> None:
        self._tokenizer, self._ends = tokenizer, sorted(ends)
        self._kept: OrderedDict[str, LLMatcher] = OrderedDict()
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="grammar")

    def constraint(self, schema: str) -> Constraint:
        """A new answer held to the schema. Raises BadSchema where that cannot be."""
        with self._lock:
            if schema not in self._kept:
                self._kept[schema] = self._compiled(schema)
            self._kept.move_to_end(schema)
            while len(self._kept) > KEPT_GRAMMARS:
                self._kept.popitem(last=False)
            return Constraint(self._kept[schema].deep_copy(), self._pool)

    def prepare(self) -> None:
        """Reads the tokenizer, which takes a second or so."""
        _ = self._tokens

    def close(self) -> None:
        """Ends the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @cached_property
    def _tokens(self) -> LLTokenizer:
        return from_tokenizer(self._tokenizer, eos_token=self._ends)

    def _compiled(self, schema: str) -> LLMatcher:
        if len(schema) > MOST_SCHEMA_CHARACTERS:
            raise BadSchema(f"The JSON schema is longer than {MOST_SCHEMA_CHARACTERS:,} characters.")
        try:
            grammar = LLMatcher.grammar_from_json_schema(schema, overrides=STYLE)
        except ValueError as error:
            raise BadSchema(f"The JSON schema cannot be read: {error}") from error
        matcher = LLMatcher(self._tokens, grammar, log_level=0)
        if matcher.is_error():
            raise BadSchema(f"The JSON schema cannot be followed: {matcher.get_error()}")
        return matcher
