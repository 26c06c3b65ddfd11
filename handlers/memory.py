"""What is remembered of the person who speaks: in the database, or of a guest only in this talk.

Knows no conversation: each asks here instead of asking the tables, so that a guest leaves nothing in them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from data.item import Domain
from engine.prompts import Line
from engine.quoting import discreet
from engine.request import Request, union
from engine.taste import Taste, taste_of
from handlers.room import Room
from handlers.turn import Turn
from storage import exposures, personas, taste, users
from storage.exposures import Exposure
from storage.personas import Persona
from storage.taste import Event
from storage.users import User

TALK_SECONDS: Final = 12 * 3600
"""How long what was shown and said in a talk counts as the same talk."""
OF_TALK: Final = (
    "request",
    "talk",
    "limits",
    "answers",
    "guest",
    "loosen",
    "survey",
    "page",
    "undo",
    "nearby",
)
"""What a session holds of one talk only; with consent what must not be eaten stays."""
SAFETY: Final = {"food": ("allergies", "diet"), "movie": ("age",)}
"""Answers of the surveys that are heeded whoever somebody says to be."""
LINES: Final = 12
"""Lines of the talk that are kept where a model reads them, each cut to `LINE_CHARS`."""
LINE_CHARS: Final = 200
GUEST_EXPOSURES: Final = 12
"""Answers whose buttons still work for a guest."""

Answers = dict[str, list[str]]


def enter(turn: Turn, room: Room) -> None:
    """Begin a turn: what the last talk left is forgotten when it was long ago."""
    session = room.session
    if turn.at - session.get("at", turn.at) > TALK_SECONDS:
        if room.user.guest:
            session.clear()
        for key in OF_TALK:
            if key != "limits" or not room.consent:
                session.pop(key, None)
    session["at"] = turn.at


def told(room: Room, who: Literal["user", "bot"], text: str) -> None:
    """Keep a line of the talk, where a model will read it; nothing of allergies and ages."""
    if room.engine.llm is not None and (text := discreet(text)):
        room.session["talk"] = [*room.session.get("talk", ()), [who, text[:LINE_CHARS]]][-LINES:]


def talk(room: Room) -> list[Line]:
    """The talk before what is said now, oldest first."""
    lines = [Line(who, text) for who, text in room.session.get("talk", ())]
    return lines[:-1] if lines and lines[-1].who == "user" else lines


async def survey_answers(room: Room) -> dict[str, Answers]:
    """Domain → question → answers: what is remembered, and over it what was answered in this talk."""
    return _with_talk(room.session, _known_to_all(room, await room.read(taste.answers, room.user.id)))


def keep_answers(room: Room, domain: str, given: Answers) -> None:
    """Keep the answers of a domain: for good with consent, else in this talk."""
    if room.consent:
        room.write(taste.save_answers, room.user.id, domain, given)
        room.session.get("answers", {}).pop(domain, None)
    else:
        room.session.setdefault("answers", {})[domain] = given


def agree(room: Room, consent: bool) -> None:
    """Keep whether moods, body states and allergies may be remembered; what this talk holds goes along."""
    room.user = replace(room.user, consent=consent)
    room.write(users.set_consent, room.user.id, consent)
    if room.consent:
        for domain, given in room.session.pop("answers", {}).items():
            room.write(taste.save_answers, room.user.id, domain, given)


async def remember_talk(room: Room) -> None:
    """Agree, and remember what this talk was told: answers, and what must not be eaten."""
    given = (await survey_answers(room)).get(Domain.FOOD, {})
    agree(room, True)
    limits = room.session.get("limits", {})
    told = {
        "allergies": [*limits.get("allergens", ()), *(f"other.{name}" for name in limits.get("avoid", ()))],
        "diet": limits.get("diet", ()),
    }
    for question, values in told.items():
        if values:
            given |= {question: [v for v in union(given.get(question, ()), values) if v != "none"]}
    if given:
        keep_answers(room, Domain.FOOD, given)


async def events(room: Room) -> list[Event]:
    """What the person did with items, oldest first."""
    if room.user.guest:
        return [Event(*event) for event in _of_guest(room, "events")]
    return await room.read(taste.events, room.user.id)


def record(room: Room, item_id: str, kind: str, exposure_id: str | None, position: int | None) -> None:
    if room.user.guest:
        _of_guest(room, "events").append([item_id, kind, exposure_id, position, time.time()])
    else:
        room.write(taste.record, room.user.id, item_id, kind, exposure_id=exposure_id, position=position)


def withdraw(room: Room, item_id: str, kind: str) -> None:
    """Take back the latest such event."""
    if not room.user.guest:
        room.write(taste.withdraw, room.user.id, item_id, kind)
        return
    done = _of_guest(room, "events")
    for place in range(len(done) - 1, -1, -1):
        if done[place][:2] == [item_id, kind]:
            del done[place]
            return


def show(
    turn: Turn, room: Room, exposure_id: str, domain: str, item_ids: Sequence[str], body: Mapping[str, Any]
) -> None:
    """Keep what is about to be shown, so that its buttons work and nothing is shown twice."""
    if room.user.guest:
        shown = _of_guest(room, "exposures")
        kept = {key: body[key] for key in ("request", "picks") if key in body}
        shown.append([exposure_id, domain, list(item_ids), kept, turn.at])
        del shown[:-GUEST_EXPOSURES]
        return
    room.write(
        exposures.add, exposure_id=exposure_id, user_id=room.user.id, platform=turn.chat.platform,
        chat_id=turn.chat.id, domain=domain, item_ids=item_ids, body=body,
    )  # fmt: skip


async def exposure(room: Room, exposure_id: str) -> Exposure | None:
    """An answer of this person, or None when it is nobody's or somebody else's."""
    if room.user.guest:
        return next((each for each in _shown_to_guest(room) if each.id == exposure_id), None)
    found = await room.read(exposures.get, exposure_id)
    return found if found is not None and found.user_id == room.user.id else None


async def history(room: Room, chat_id: str | None, limit: int) -> list[Exposure]:
    """The last answers, newest first: of one chat, or of all."""
    if room.user.guest:
        return _shown_to_guest(room)[::-1][:limit]
    return await room.read(exposures.latest, room.user.id, chat_id=chat_id, limit=limit)


async def persona(room: Room) -> Persona:
    if room.user.guest:
        return Persona(room.session.get("guest", {}).get("corrections", {}))
    return await room.read(personas.get, room.user.id)


def keep_persona(room: Room, kept: Persona) -> None:
    if room.user.guest:
        room.session.setdefault("guest", {})["corrections"] = kept.corrections
    else:
        room.write(personas.save, room.user.id, kept.corrections, kept.frozen_at)


async def known_taste(room: Room, told: Persona | None = None) -> Taste:
    """All that is known of this person, and what was said in this talk; `told` is the persona as this turn left it."""
    if room.user.guest:
        answers, done, shown = await survey_answers(room), await events(room), list[str]()
        told = told or await persona(room)
    else:
        async with room.database.reading() as connection:
            remembered, done, shown, kept = await _remembered(connection, room.user.id)
        answers, told = _with_talk(room.session, remembered), told or kept
    return _limited(_taste(answers, done, shown, told), room.session)


async def taste_of_member(
    connection: AsyncConnection, user: User, talks: Sequence[Mapping[str, Any]]
) -> Taste:
    """What is known of somebody who need not be the one who speaks, with what was said in these talks of theirs.

    Of a guest only what keeps from harm is remembered.
    """
    remembered = await _remembered(connection, user.id)
    if user.guest:
        remembered = _safety(remembered[0]), [], [], Persona()
    answers, done, shown, told = remembered
    for talk in talks:
        answers = _with_talk(talk, answers)
    known = _taste(answers, done, shown, told)
    for talk in talks:
        known = _limited(known, talk)
    return known


def _limited(known: Taste, talk: Mapping[str, Any]) -> Taste:
    """A taste with what a talk told that must not be eaten."""
    limits: dict[str, list[str]] = talk.get("limits", {})
    return replace(
        known,
        allergens=union(known.allergens, limits.get("allergens", ())),
        avoid=union(known.avoid, limits.get("avoid", ())),
        diet=union(known.diet, limits.get("diet", ())),
    )


async def _remembered(
    connection: AsyncConnection, user_id: int
) -> tuple[dict[str, Answers], list[Event], list[str], Persona]:
    """Answers, events, items shown and what was told of the taste."""
    recent = await exposures.recent(connection, user_id)
    return (
        await taste.answers(connection, user_id),
        await taste.events(connection, user_id),
        [item for item, _ in reversed(recent)],
        await personas.get(connection, user_id),
    )


def _taste(
    answers: Mapping[str, Answers], done: Sequence[Event], shown: Sequence[str], told: Persona
) -> Taste:
    frozen = told.frozen_at
    return taste_of(
        answers,
        [
            (event.kind, event.item_id)
            for event in done
            if frozen is None or event.at <= frozen or event.kind not in ("like", "dislike")
        ],
        shown,
        {domain: Request.from_dict(each) for domain, each in told.corrections.items()},
    )


def _known_to_all(room: Room, known: Mapping[str, Answers]) -> Mapping[str, Answers]:
    """Of a guest's answers those that keep from harm: what must not be eaten or seen holds in guest mode too."""
    return _safety(known) if room.user.guest else known


def _safety(known: Mapping[str, Answers]) -> dict[str, Answers]:
    return {
        domain: {question: known[domain][question] for question in kept if question in known[domain]}
        for domain, kept in SAFETY.items()
        if domain in known
    }


def _with_talk(talk: Mapping[str, Any], known: Mapping[str, Answers]) -> dict[str, Answers]:
    of_talk: dict[str, Answers] = talk.get("answers", {})
    return {**known, **{domain: {**known.get(domain, {}), **given} for domain, given in of_talk.items()}}


def _of_guest(room: Room, name: str) -> list[Any]:
    kept: list[Any] = room.session.setdefault("guest", {}).setdefault(name, [])
    return kept


def _shown_to_guest(room: Room) -> list[Exposure]:
    return [
        Exposure(key, room.user.id, "", "", domain, tuple(ids), body, None, at)
        for key, domain, ids, body, at in _of_guest(room, "exposures")
    ]
