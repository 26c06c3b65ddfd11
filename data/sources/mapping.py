"""A mapping: which column of somebody's table fills which field, written in TOML and checked before a row is read.

`example.toml` beside this file shows all that may stand in one. Opens no table.
"""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from data.item import Domain, Item
from data.sources.files import SourceError, text
from data.sources.rows import reason

_STRICT: Final = ConfigDict(extra="forbid", frozen=True)
LISTS: Final = frozenset(
    name
    for name, field in Item.model_fields.items()
    if any(get_origin(kind) is tuple for kind in (field.annotation, *get_args(field.annotation)))
)
"""Fields that hold several values."""
NUMBERS: Final = frozenset({"year", "age", "length", "spicy", "kcal", "price", "rating", "at"})
FIELDS: Final = {
    "item": frozenset(Item.model_fields) - {"id", "domain", "external_ids"},
    "interaction": frozenset({"user", "rating", "at"}),
}
_NEEDED: Final = {"item": "title", "interaction": "user"}


class Column(BaseModel):
    """Where the value of a field comes from, and what is done with it, in the order of these lines."""

    model_config = _STRICT

    column: Annotated[str, Field(min_length=1)]
    split: Annotated[str, Field(min_length=1)] | None = None
    values: dict[str, Any] | None = None
    other: Literal["error", "skip"] = "error"
    unit: str | dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] | None = None
    zero: Literal["value", "unknown"] = "value"
    time: str | None = None

    @field_validator("time")
    @classmethod
    def _time_can_be_read(cls, time: str | None) -> str | None:
        try:
            if time is not None:
                datetime.strptime(datetime(2001, 2, 3, tzinfo=UTC).strftime(time), time)  # noqa: DTZ007
        except (ValueError, re.error):
            raise ValueError(f"{time!r} is no way to write a time; one is %Y-%m-%d") from None
        return time

    @property
    def units(self) -> dict[str, float]:
        """Factors of the units that a number may stand with."""
        return {self.unit: 1.0} if isinstance(self.unit, str) else dict(self.unit or {})


class Shape(BaseModel):
    """How the table is stored."""

    model_config = _STRICT

    format: Literal["csv", "jsonl", "parquet"]
    encoding: str | tuple[str, ...] = "utf-8-sig"
    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r'[^"\r\n]')] = ","
    missing: tuple[str, ...] = ()

    @property
    def encodings(self) -> tuple[str, ...]:
        """The encodings to try, in order."""
        return (self.encoding,) if isinstance(self.encoding, str) else self.encoding

    @model_validator(mode="after")
    def _encodings_are_known(self) -> Self:
        for encoding in self.encodings:
            try:
                "".encode(encoding)
            except LookupError:
                raise ValueError(f"Python knows no encoding {encoding!r}") from None
        if not self.encodings:
            raise ValueError("encoding names none")
        return self


class Mapping(BaseModel):
    """All that a mapping says."""

    model_config = _STRICT

    kind: Literal["item", "interaction"] = "item"
    domain: Domain
    name: Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}$")]
    file: Shape
    id: str | tuple[str, ...]
    fields: dict[str, Column]
    fixed: dict[str, Any] = Field(default_factory=dict)
    external_ids: dict[str, str] = Field(default_factory=dict)
    extra: dict[str, str] = Field(default_factory=dict)

    @field_validator("fields", mode="before")
    @classmethod
    def _names_stand_for_columns(cls, fields: object) -> object:
        if not isinstance(fields, dict):
            return fields
        return {name: {"column": told} if isinstance(told, str) else told for name, told in fields.items()}

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that an id is made of."""
        return (self.id,) if isinstance(self.id, str) else self.id

    @property
    def needed(self) -> list[str]:
        """Every column that the table must have, once."""
        told = (column.column for column in self.fields.values())
        return list(dict.fromkeys([*self.ids, *told, *self.external_ids.values(), *self.extra.values()]))

    @model_validator(mode="after")
    def _says_what_can_be_done(self) -> Self:
        known = FIELDS[self.kind]
        if unknown := sorted({*self.fields, *self.fixed} - known):
            raise ValueError(f"{self.kind} has no field {unknown[0]}; there are {', '.join(sorted(known))}")
        if twice := sorted({*self.fields} & {*self.fixed}):
            raise ValueError(f"{twice[0]} stands under fields and under fixed; leave one out")
        if not all(self.ids) or not self.ids:
            raise ValueError("id names no column")
        if (needed := _NEEDED[self.kind]) not in self.fields:
            raise ValueError(f"fields says no column for {needed}, and every {self.kind} needs one")
        if self.kind == "interaction" and (self.fixed or self.external_ids):
            raise ValueError("an interaction has neither fixed values nor external_ids")
        if self.kind == "item" and self.extra:
            raise ValueError("extra is for interactions only")
        for name, column in self.fields.items():
            self._column_fits(name, column)
        for name, value in self.fixed.items():
            self._is_in_the_vocabulary(f"fixed.{name}", name, value)
        return self

    def _column_fits(self, name: str, column: Column) -> None:
        if column.split and name not in LISTS:
            raise ValueError(f"fields.{name}: split is for fields of several values, and {name} holds one")
        if (column.unit or column.zero == "unknown") and name not in NUMBERS:
            raise ValueError(f"fields.{name}: unit and zero are for numbers, and {name} is none")
        if column.values is not None and (column.unit or column.time):
            raise ValueError(f"fields.{name}: values cannot stand beside unit or time")
        if column.time and (name != "at" or column.unit):
            raise ValueError(f"fields.{name}: time is for at only, and stands without unit")
        if column.other == "skip" and column.values is None:
            raise ValueError(f'fields.{name}: other = "skip" needs values')
        if column.other == "skip" and name == "allergens":
            raise ValueError("fields.allergens: an allergen must not be skipped; name every value")
        for word, value in (column.values or {}).items():
            if self.kind == "item":
                self._is_in_the_vocabulary(f"fields.{name}.values.{word}", name, value)
            elif name != "rating" or isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"fields.{name}.values: only ratings may have values, and these are numbers")

    def _is_in_the_vocabulary(self, where: str, name: str, value: object) -> None:
        probe = {"id": f"{self.domain}:probe", "domain": self.domain, "title": "probe"}
        several = [value] if name in LISTS and not isinstance(value, list) else value
        try:
            Item.model_validate({**probe, name: several})
        except ValidationError as error:
            raise ValueError(f"{where}: {value!r} does not fit {name} ({reason(error)})") from error


def load(path: Path) -> Mapping:
    """The mapping in a file.

    Raises:
        SourceError: what is wrong with it, in one sentence.
    """
    try:
        with text(path, "utf-8-sig") as file:
            told = tomllib.loads(file.read().replace("\r\n", "\n"))
        return Mapping.model_validate(told)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SourceError(f"{path} is no TOML: {error}.") from error
    except ValidationError as error:
        sentence = re.sub(r"Value error, ", "", reason(error))
        raise SourceError(f"{path}: {sentence}.") from error
