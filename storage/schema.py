"""Every table of the program; what `migrations/` builds, and pinned to it by a test.

Times are Unix seconds. Nothing here is SQLite's or PostgreSQL's own. Whatever belongs to a person goes
with the person's row.
"""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
    true,
)

HEAD: Final = "0011"
"""The newest revision under `migrations/versions`."""


class Json(TypeDecorator[Any]):
    """Plain JSON values, kept as readable text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _of_user(*, primary_key: bool = False) -> Column[int]:
    person = ForeignKey("users.id", ondelete="CASCADE")
    return Column("user_id", Integer, person, primary_key=primary_key, nullable=False)


def _of_round() -> Column[int]:
    return Column("round_id", Integer, ForeignKey("rounds.id", ondelete="CASCADE"), primary_key=True)


users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("platform_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("language", Text),
    Column("consent", Boolean),
    Column("consent_at", Double),
    Column("guest", Boolean, nullable=False, default=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("platform", "platform_id"),
)

sessions = Table(
    "sessions",
    metadata,
    _of_user(primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("chat_id", Text, primary_key=True),
    Column("state", Json, nullable=False),
    Column("updated_at", Double, nullable=False),
)

processes = Table(
    "processes",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("beat_at", Double, nullable=False),
)

_unfinished = text("outcome IS NULL")
inbox = Table(
    "inbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("turn_id", Text, nullable=False),
    Column("chat_id", Text, nullable=False),
    Column("person_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("outcome", Text),
    Column("taken_at", Double, nullable=False),
    Column("finished_at", Double),
    # The name of the process that handles the turn, empty for nobody's.
    Column("owner", Text, nullable=False, server_default=""),
    UniqueConstraint("platform", "turn_id"),
    Index(
        "ix_inbox_unfinished",
        "platform",
        "chat_id",
        "person_id",
        "id",
        sqlite_where=_unfinished,
        postgresql_where=_unfinished,
    ),
)

_due = text("sent_version < version")
outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("chat_id", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("turn_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("exposure_id", Text),
    Column("seq", Integer, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("sent_version", Integer, nullable=False),
    Column("message_id", Text),
    Column("problem", Text),
    Column("posted_at", Double, nullable=False),
    Column("person_id", Text, nullable=False, server_default=""),
    # The name of the process that sends the reply, empty for nobody's.
    Column("owner", Text, nullable=False, server_default=""),
    UniqueConstraint("platform", "chat_id", "slot"),
    Index("ix_outbox_due", "platform", "chat_id", "seq", sqlite_where=_due, postgresql_where=_due),
)

surveys = Table(
    "surveys",
    metadata,
    _of_user(primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("answers", Json, nullable=False),
    Column("updated_at", Double, nullable=False),
)

personas = Table(
    "personas",
    metadata,
    _of_user(primary_key=True),
    Column("corrections", Json, nullable=False),
    Column("frozen_at", Double),
    Column("updated_at", Double, nullable=False),
)

taste_events = Table(
    "taste_events",
    metadata,
    Column("id", Integer, primary_key=True),
    _of_user(),
    Column("item_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("exposure_id", Text),
    Column("position", Integer),
    Column("at", Double, nullable=False),
    Index(None, "user_id", "at"),
    Index(None, "item_id"),
)

exposures = Table(
    "exposures",
    metadata,
    Column("id", Text, primary_key=True),
    _of_user(),
    Column("platform", Text, nullable=False),
    Column("chat_id", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("body", Json, nullable=False),
    Column("delivered_at", Double),
    Column("created_at", Double, nullable=False),
    Index(None, "user_id", "created_at"),
)

exposure_items = Table(
    "exposure_items",
    metadata,
    Column("exposure_id", Text, ForeignKey("exposures.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("item_id", Text, nullable=False, index=True),
)

items = Table(
    "items",
    metadata,
    Column("id", Text, primary_key=True),
    Column("domain", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("origin", Text, nullable=False, index=True),
    Column("hash", Text, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("shown", Boolean, nullable=False, server_default=true()),
)

enriched = Table(
    "enriched",
    metadata,
    Column("id", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("shown", Boolean, nullable=False),
)

inferred = Table(
    "inferred",
    metadata,
    Column("item_id", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("confidence", Double, nullable=False),
)

interactions = Table(
    "interactions",
    metadata,
    Column("who", Text, primary_key=True),
    Column("item_id", Text, primary_key=True, index=True),
    Column("origin", Text, nullable=False, index=True),
    Column("rating", Double),
    Column("at", Double),
    Column("extra", Json, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    Column("source", Text, primary_key=True),
    Column("query", Text, primary_key=True),
    Column("cursor", Text, nullable=False),
    Column("at", Double, nullable=False),
)

passages = Table(
    "passages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("origin", Text, nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
)

questions = Table(
    "questions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("passage_id", Text, ForeignKey("passages.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("start", Integer, nullable=False),
)

item_redirects = Table(
    "item_redirects",
    metadata,
    Column("old_id", Text, primary_key=True),
    Column("new_id", Text, nullable=False, index=True),
)

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

indexes = Table(
    "indexes",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("items_table", Text, nullable=False),
    Column("names_table", Text, nullable=False),
    Column("embedder", Text, nullable=False),
    Column("items_hash", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("retired_at", Double),
    # A forgotten version's number must not name another table.
    sqlite_autoincrement=True,
)

vectors = Table(
    "vectors",
    metadata,
    Column("key", Text, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

RUNNING: Final = text("state <> 'closed'")
"""Holds for a round that is not over: of those a chat has one."""
rounds = Table(
    "rounds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("chat_id", Text, nullable=False),
    Column("opened_by", Integer, ForeignKey("users.id", ondelete="SET NULL")),
    Column("domain", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("settings", Json, nullable=False),
    Column("poll_id", Text),
    Column("created_at", Double, nullable=False),
    Column("closes_at", Double),
    Column("closed_at", Double),
    Column("token", Text, nullable=False, server_default=""),
    Index(None, "platform", "chat_id"),
    Index(None, "poll_id"),
    Index(
        "ix_rounds_running",
        "platform",
        "chat_id",
        unique=True,
        sqlite_where=RUNNING,
        postgresql_where=RUNNING,
    ),
    Index("ix_rounds_due", "platform", "closes_at", sqlite_where=RUNNING, postgresql_where=RUNNING),
)

round_members = Table(
    "round_members",
    metadata,
    _of_round(),
    _of_user(primary_key=True),
    Column("answers", Json, nullable=False),
    Column("joined_at", Double, nullable=False),
)

round_picks = Table(
    "round_picks",
    metadata,
    _of_round(),
    Column("position", Integer, primary_key=True),
    Column("item_id", Text, nullable=False),
    Column("body", Json, nullable=False),
)

round_votes = Table(
    "round_votes",
    metadata,
    _of_round(),
    _of_user(primary_key=True),
    Column("item_id", Text, primary_key=True),
    Column("value", Integer, nullable=False),
    Column("at", Double, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("progress", Double, nullable=False),
    Column("payload", Json, nullable=False),
    Column("result", Json),
    Column("error", Text),
    Column("attempts", Integer, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Double),
    Column("created_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("asked_by", Integer, ForeignKey("users.id", ondelete="SET NULL")),
    Column("platform", Text, nullable=False),
    Column("chat_id", Text, nullable=False),
    Index(None, "state", "id"),
    # What was forgotten must not be stopped in place of another by an old button.
    sqlite_autoincrement=True,
)

inquiries = Table(
    "inquiries",
    metadata,
    Column("id", Integer, primary_key=True),
    _of_user(),
    Column("text", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("answer", Text),
    Column("answered_by", Text),
    Column("created_at", Double, nullable=False),
    Column("answered_at", Double),
    Column("platform", Text, nullable=False, server_default=""),
    Column("chat_id", Text, nullable=False, server_default=""),
    Index(None, "state", "id"),
)

blocks = Table(
    "blocks",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("platform_id", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("blocked_by", Text, nullable=False),
    Column("at", Double, nullable=False),
)

buttons = Table(
    "buttons",
    metadata,
    Column("key", Text, primary_key=True),
    Column("data", Text, nullable=False),
)

polls = Table(
    "polls",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("poll_id", Text, primary_key=True),
    Column("chat_id", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("at", Double, nullable=False),
)

days = Table(
    "days",
    metadata,
    Column("day", Text, primary_key=True),
    Column("people", Integer, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
)
