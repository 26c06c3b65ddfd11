"""Alembic, run from inside the program: no alembic.ini, no command line. Importing this takes a while."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection


class UnknownRevisionError(Exception):
    """The database stands at a revision that this program does not have."""


def config() -> Config:
    """Alembic's settings, as an alembic.ini would give them."""
    settings = Config()
    settings.set_main_option("script_location", "storage:migrations")
    settings.set_main_option("path_separator", "os")
    return settings


def upgrade(connection: Connection) -> None:
    """Apply what is missing, in the transaction of `connection`.

    Raises:
        UnknownRevisionError: a newer program has been here.
    """
    settings = config()
    settings.attributes["connection"] = connection
    try:
        command.upgrade(settings, "head")
    except CommandError as error:
        if "Can't locate revision" in str(error):
            raise UnknownRevisionError from error
        raise
