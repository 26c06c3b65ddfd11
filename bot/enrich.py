"""Enriching what was imported: the same works joined, and what sources left out inferred, beside what they said.

What a source said is never touched: everything here is made of it anew, so that doing it again changes nothing and
a later import is heeded. It works a batch a transaction; what a kill cuts off is done by enriching again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.indexing import Progress, silent, vectors_of
from bot.jobs import SHIPPED, load_catalog
from data.item import Item
from engine.embedder import Embedder
from engine.enrichment import Enricher, described, missing
from engine.joining import Entry, entry, joined, merged
from storage import enriched
from storage.database import Database

AT_ONCE = 256
"""Items in a transaction."""


@dataclass(slots=True)
class Enriched:
    """What enriching did, in items: `joined` are those that are now part of another, `inferred` those of which
    something was inferred, `shown` those of them that got what a card needs, `changed` those that are not what
    they were before."""

    items: int = 0
    joined: int = 0
    inferred: int = 0
    shown: int = 0
    changed: int = 0


async def enrich(database: Database, embedder: Embedder, progress: Progress = silent) -> Enriched:
    """Join and enrich every item that a source told; whatever embedder the index is made with, `embedder` is the
    bundled one, which the weights were fitted with.

    Raises:
        EngineError: nothing was fitted for this embedder.
    """
    enricher = await Enricher.opened(embedder)
    await load_catalog(database)  # what is imported is to be joined to it
    done = Enriched()
    entries: list[Entry] = []
    async with database.reading() as connection:
        async for _, origin, body in enriched.said(connection):
            entries.append(entry(Item.model_validate_json(body), origin == SHIPPED))
            if not len(entries) % AT_ONCE:
                progress("compared", len(entries), 0)
    groups = joined(entries)
    into = {other: first for first, others in groups.items() for other in others}
    async with database.writing() as connection:
        done.changed += await enriched.join(connection, into)
    done.items, done.joined = len(entries), len(into)
    ids = sorted(each.id for each in entries if each.id not in into)
    del entries
    for start in range(0, len(ids), AT_ONCE):
        part = ids[start : start + AT_ONCE]
        await _batch(database, embedder, enricher, {each: groups.get(each, []) for each in part}, done)
        progress("enriched", start + len(part), len(ids))
    progress("done", 1, 1)
    return done


async def _batch(
    database: Database, embedder: Embedder, enricher: Enricher, groups: dict[str, list[str]], done: Enriched
) -> None:
    """Make the items of these groups."""
    every = [each for first, others in groups.items() for each in (first, *others)]
    async with database.reading() as connection:
        said = {
            item_id: Item.model_validate_json(body)
            for item_id, body in (await enriched.said_of(connection, every)).items()
        }
    # An import beside this may have taken one away.
    works = [
        _work([said[each] for each in (first, *groups[first]) if each in said])
        for first in groups
        if first in said
    ]
    texts = {item.id: text for item in works if missing(item) and (text := described(item))}
    vectors = dict(zip(texts, await vectors_of(database, list(texts.values()), embedder), strict=True))
    made = []
    for item in works:
        whole, marks = enricher.enriched(item, vectors.get(item.id))
        done.inferred += bool(marks)
        done.shown += whole.showable and not item.showable
        same = whole == said[item.id]
        made.append(
            enriched.Made(
                item.id,
                None if same else whole.to_json(),
                whole.showable,
                tuple(enriched.Mark(item.id, mark.field, mark.value, mark.confidence) for mark in marks),
            )
        )
    async with database.writing() as connection:
        done.changed += await enriched.keep(connection, made)


def _work(items: Sequence[Item]) -> Item:
    return merged(items) if len(items) > 1 else items[0]
