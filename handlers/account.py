"""What is known of a person and set for them: the profile, the language, the export of everything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

from data.item import Domain
from engine.lexicon import read
from engine.taste import survey, taste_of
from engine.text import normalize
from handlers import memory
from handlers.limits import all_of
from handlers.room import Room
from handlers.turn import Attachment, Choice, Reply, Turn
from storage import account, taste, users
from storage.users import Language

LANGUAGES: tuple[Language | None, ...] = ("ko", "en", None)
AUTOMATIC = "auto"


async def profile(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """What is known and set, with the buttons that change it."""
    say, user = room.words.say, room.user
    answers = await room.read(taste.answers, user.id)
    held = await room.read(account.counts, user.id)
    events = [(event.kind, event.item_id) for event in await room.read(taste.events, user.id)]
    known = taste_of(answers, events)
    remembered = all_of(room, known)
    told = [name for name in all_of(room, await memory.known_taste(room)) if name not in remembered]
    answered = [
        survey(domain).titles[room.language]
        for domain in Domain
        if answers.get(domain) or room.session.get("answers", {}).get(domain)
    ]
    consent = {None: "open", True: "on", False: "off"}[user.consent]
    lines = [
        say("profile.lead"),
        say("profile.language", name=say(f"profile.languages.{user.language or AUTOMATIC}")),
        say(f"profile.consent.{consent}"),
        say("profile.limits", names=", ".join(remembered)) if remembered else "",
        say("profile.limits_told", names=", ".join(told)) if told else "",
        "" if remembered or told else say("profile.no_limits"),
        say("profile.surveys", names=", ".join(answered)) if answered else say("profile.no_surveys"),
        say("profile.counts", shown=held["exposures"], liked=len(known.liked), saved=len(known.saved)),
        say(f"profile.guest.{'on' if user.guest else 'off'}"),
    ]
    choices = (
        Choice(say("button.language"), "lang", 1),
        Choice(say(f"button.consent_{'off' if user.consent else 'on'}"), "consent", 1),
        Choice(say(f"button.guest_{'off' if user.guest else 'on'}"), "guest", 1),
        Choice(say("button.change_allergies"), "survey:food:allergies:ask", 2),
        Choice(say("button.persona"), "persona", 2),
        Choice(say("button.surveys"), "survey", 2),
        Choice(say("button.inquiry"), "inquiry", 3),
        Choice(say("button.export"), "export", 3),
        Choice(say("button.forget"), "forget", 4),
    )
    yield Reply(text="\n".join(filter(None, lines)), choices=choices, private=True)


async def language(turn: Turn, room: Room, wanted: str = "") -> AsyncIterator[Reply]:
    """Speak what `wanted` names from now on, in this reply already; ask which when it names nothing."""
    words = read("dialogue")["languages"]
    named = [code for code, names in words.items() if normalize(wanted).lower() in (code, *names)]
    if not named:
        say = room.words.say
        choices = tuple(
            Choice(say(f"profile.languages.{code or AUTOMATIC}"), f"lang:{code or AUTOMATIC}", 1)
            for code in LANGUAGES
        )
        yield Reply(text=say("language.ask"), choices=choices, private=True)
        return
    chosen = next(code for code in LANGUAGES if (code or AUTOMATIC) == named[0])
    room.user = replace(room.user, language=chosen)
    room.write(users.set_language, room.user.id, chosen)
    say = room.words.say
    choices = (Choice(say("button.profile"), "profile", 1),)
    yield Reply(
        text=say("language.chosen" if chosen else "language.automatic"), choices=choices, private=True
    )


async def export(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """Everything that is stored of the person, as a file."""
    at = datetime.fromtimestamp(turn.at, UTC)
    whole = {"exported_at": at.isoformat(timespec="seconds")} | await room.read(account.export, room.user.id)
    text = json.dumps(whole, ensure_ascii=False, indent=2)
    file = Attachment(f"oneulmwo-{at:%Y%m%d-%H%M%S}.json", "application/json", text)
    yield Reply(text=room.words.say("export.done"), file=file, private=True)
