"""International Standard Book Numbers: found in a text, checked, and the old form made the new one.

Knows no data set; publishers and prices are not looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])(?:97[89](?:[- ]?[0-9]){10}|[0-9](?:[- ]?[0-9]){8}[- ]?[0-9Xx])(?![0-9A-Za-z])"
)


def is_isbn13(number: str) -> bool:
    """Whether these are 13 digits of a book, the last of which checks the others."""
    if not re.fullmatch(r"97[89][0-9]{10}", number):
        return False
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(number)) % 10 == 0


def is_isbn10(number: str) -> bool:
    """Whether these are ten digits (the last may be X), the last of which checks the others."""
    if not re.fullmatch(r"[0-9]{9}[0-9X]", number):
        return False
    digits = [10 if digit == "X" else int(digit) for digit in number]
    return sum(digit * (10 - place) for place, digit in enumerate(digits)) % 11 == 0


def to_isbn13(number: str) -> str:
    """The 13 digits of an ISBN-10.

    Raises:
        ValueError: it is none.
    """
    if not is_isbn10(number):
        raise ValueError(f"{number!r} is no ISBN-10")
    body = "978" + number[:9]
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return f"{body}{-total % 10}"


def found(text: str) -> Iterator[str]:
    """The valid numbers of a text in order, without hyphens; what fails its check is left out."""
    for match in _NUMBER.finditer(text):
        number = re.sub(r"[- ]", "", match[0]).upper()
        if is_isbn13(number) or is_isbn10(number):
            yield number


def external_ids(*texts: str) -> dict[str, str]:
    """The first book that the texts name: `isbn13`, and `isbn10` where that very book has one written there."""
    numbers = [number for text in texts for number in found(text)]
    if not numbers:
        return {}
    isbn13 = next((number for number in numbers if len(number) == 13), None) or to_isbn13(numbers[0])
    ids = {"isbn13": isbn13}
    if isbn10 := next(
        (number for number in numbers if len(number) == 10 and to_isbn13(number) == isbn13), None
    ):
        ids["isbn10"] = isbn10
    return ids
