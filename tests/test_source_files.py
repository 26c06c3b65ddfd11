"""Files of other people's data: what is none says so, and a broken row stops nothing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import BadRow
from data.sources.files import SourceError, checked, encoding_of, table, text


def test_what_is_no_data_file_says_what_to_do(tmp_path: Path) -> None:
    pointer, empty = tmp_path / "credits.csv", tmp_path / "empty.csv"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 189917659\n")
    empty.touch()
    for path, words in (
        (tmp_path, "is a folder"), (tmp_path / "none.csv", "no file"), (pointer, "git lfs pull"), (empty, "is empty"),
    ):  # fmt: skip
        with pytest.raises(SourceError, match=words):
            checked(path)


def test_the_encoding_is_the_first_that_the_whole_file_is_in(tmp_path: Path) -> None:
    """CP949 looks like EUC-KR up to the first syllable that only CP949 has."""
    file = tmp_path / "books.csv"
    file.write_bytes(("책," * 600_000 + "똠방각하").encode("cp949"))
    assert encoding_of(file, "utf-8-sig", "euc-kr", "cp949") == "cp949"
    with text(file, "utf-8-sig", "cp949") as opened:
        assert opened.read().endswith("똠방각하")
    with pytest.raises(SourceError, match="utf-8-sig or euc-kr"):
        encoding_of(file, "utf-8-sig", "euc-kr")


def rows_of(path: Path, *needed: str) -> list[tuple[int, dict[str, str]] | BadRow]:
    return list(table(path, needed))


def test_rows_come_with_the_line_they_begin_on(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes('\ufefftitle,note\r\n책,"두\r\n줄"\r\n,\r\n셋,x\r\n'.encode())
    assert rows_of(file, "title") == [
        (2, {"title": "책", "note": "두\r\n줄"}),
        (5, {"title": "셋", "note": "x"}),
    ]


def test_a_shifted_row_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2,3\n4\n5,6\n")
    first, second, third = rows_of(file, "a")
    assert isinstance(first, BadRow)
    assert (first.file, first.line, first.value) == ("t.csv", 2, "1,2,3")
    assert isinstance(second, BadRow)
    assert third == (4, {"a": "5", "b": "6"})


def test_a_missing_column_says_that_it_is_the_wrong_file(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="no column isbn"):
        rows_of(file, "a", "isbn")


def test_a_field_longer_than_the_default_limit_is_read(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(f"a,b\n1,{'x' * 200_000}\n")
    (row,) = rows_of(file)
    assert isinstance(row, tuple)
    assert len(row[1]["b"]) == 200_000


@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("any") / "t.csv"
    file.write_bytes(content)
    with suppress(SourceError):
        for row in table(file, ()):
            assert isinstance(row, tuple | BadRow)
