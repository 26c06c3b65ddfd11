"""Text of an answer while it grows: whole characters, stop strings, and the bytes of tokens."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from engine.worker.transcript import Transcript
from engine.worker.vocabulary import Vocabulary
from tests import tiny
from tests.tiny import Tiny, answer, ids, prompts, serving, text


@pytest.fixture
def exaone() -> Tiny:
    return tiny.shared()


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({min(place, len(raw)) for place in places} | {0, len(raw)})
    return [raw[begin:end] for begin, end in pairwise(ends)]


@settings(max_examples=50)
@given(some.text(max_size=30), some.lists(some.integers(0, 90), max_size=40))
def test_text_cut_anywhere_comes_out_as_it_was_and_never_by_halves(whole: str, places: list[int]) -> None:
    transcript = Transcript()
    told = [transcript.feed(part) for part in cut(whole.encode(errors="replace"), places)]
    assert "".join(told) + transcript.rest() == whole.encode(errors="replace").decode()


@settings(max_examples=60)
@given(
    some.text("ab한\n", max_size=20),
    some.lists(some.text("ab한\n", min_size=1, max_size=4), min_size=1, max_size=3),
    some.lists(some.integers(0, 60), max_size=30),
)
def test_a_stop_string_ends_the_text_before_it_wherever_tokens_are_cut(
    whole: str, stop: list[str], places: list[int]
) -> None:
    transcript = Transcript(stop)
    told = ""
    for part in cut(whole.encode(), places):
        told += transcript.feed(part)
        assert not any(each in told for each in stop)
        if transcript.stopped:
            break
    told += transcript.rest()
    found = [whole.find(each) for each in stop if each in whole]
    assert transcript.stopped == bool(found)
    if not found:
        assert told == whole
    else:
        # Of stop strings that overlap, the one that is complete first counts.
        ends = [whole.find(each) + len(each) for each in stop if each in whole]
        assert told in {whole[:place] for place in found}
        assert len(told) <= min(ends)


def test_nothing_is_shown_that_may_become_a_stop_string_and_all_else_at_once() -> None:
    transcript = Transcript(["###", "\n\n"])
    assert transcript.feed(b"one #") == "one "
    assert transcript.feed(b"#") == ""
    assert transcript.feed(b" two\n") == "## two"
    assert transcript.rest() == "\n"


def test_half_a_syllable_is_kept_back_and_never_shown() -> None:
    raw = "가나".encode()
    transcript = Transcript()
    assert [transcript.feed(raw[place : place + 1]) for place in range(5)] == ["", "", "가", "", ""]
    assert transcript.rest() == ""


def test_bytes_that_are_no_text_do_not_swallow_what_follows() -> None:
    transcript = Transcript()
    assert transcript.feed(b"\xea\xb0a") == "\ufffda"


def test_tokens_of_byte_level_tokenizers_have_the_bytes_of_their_text(exaone: Tiny) -> None:
    vocabulary = Vocabulary(exaone.tokenizer, exaone.served.model)
    line = "비 오는 날엔 김치찌개… 3,500원! 👩‍🍳 café\n\tquiet"
    tokens = exaone.tokenizer.encode(line, add_special_tokens=False)
    assert b"".join(map(vocabulary.raw, tokens)).decode() == line
    assert vocabulary.raw(exaone.ends[0]) == b""
    assert vocabulary.shown(exaone.ends[0])[0] == "[|endofturn|]"
    assert vocabulary.raw(10**6) == b"", "a vocabulary may have more rows than tokens"


def test_tokens_of_sentencepiece_tokenizers_have_the_bytes_of_their_text(exaone: Tiny) -> None:
    words = {"<unk>": 0, "▁hello": 1, "▁": 2, "한": 3, **{f"<0x{byte:02X}>": 4 + byte for byte in range(256)}}
    made = Tokenizer(models.BPE(vocab=words, merges=[], byte_fallback=True, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")
    vocabulary = Vocabulary(tokenizer, exaone.served.model)
    assert vocabulary.raw(1) == b" hello"
    tokens = tokenizer.encode("한 글", add_special_tokens=False)
    assert len(tokens) == 5, "a syllable of three bytes and three tokens"
    assert b"".join(map(vocabulary.raw, tokens)).decode() == "한 글"


@settings(max_examples=3, deadline=None, derandomize=True)
@given(some.integers(0, 1 << 20))
async def test_pieces_put_together_are_the_decoded_tokens(seed: int) -> None:
    """Random models write half characters all the time."""
    model = tiny.shared()
    prompt = prompts(seed, 1)[0][0]
    async with serving(model) as batcher:
        pieces = await answer(batcher, prompt, max_tokens=60, temperature=1.5, seed=seed)
    vocabulary = Vocabulary(model.tokenizer, model.served.model)
    raw = b"".join(map(vocabulary.raw, ids(pieces)))
    assert text(pieces) == Transcript().feed(raw)


async def test_a_stop_string_ends_an_answer_and_frees_its_row(exaone: Tiny) -> None:
    prompt = [60, 61, 62]
    async with serving(exaone) as batcher:
        free = await answer(batcher, prompt, max_tokens=60, temperature=1.0, seed=1)
        whole = text(free)
        middle = len(whole) // 2
        stop = whole[middle : middle + 3]
        pieces = await answer(batcher, prompt, max_tokens=60, temperature=1.0, seed=1, stop=(stop,))
        assert batcher._stepper is not None
        assert not batcher._stepper.rows
    assert text(pieces) == whole[: whole.find(stop)]
    assert pieces[-1].finish == "stop"
    assert len(ids(pieces)) < len(ids(free))
