"""Recommending: a wish, a refinement, "something else", a pressed question. What was shown in a talk is not shown again.

```mermaid
stateDiagram-v2
  [*] --> Answered: a wish
  Answered --> Answered: refine, more, question pressed
  Answered --> Nothing: no item keeps the rules
  Nothing --> Answered: loosen a rule
```
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from data.item import Domain
from data.phrases import Phrases
from engine.allergies import avoided
from engine.questions import refinement
from engine.recommendation import Pick, Recommendation
from engine.request import DEFAULT_COUNT, Exclude, Request
from engine.said import Said
from engine.taste import Taste
from engine.understanding import Understanding
from handlers import care, memory
from handlers.memory import TALK_SECONDS
from handlers.room import Room
from handlers.turn import Card, Choice, Reply, Turn
from storage.exposures import Exposure

SHOWN_KEPT = 300
REFUSED_NAMED = 4
"""How many allergies are repeated before the picks: a group such as seafood has many."""
FEEDBACK = (("like", "👍"), ("dislike", "👎"), ("seen", "👀"), ("save", "🔖"), ("never", "🚫"))
SENSITIVE = frozenset({"text", "moods", "body", "allergens", "avoid"})
"""Fields of a request that are stored only with consent."""


async def recommend(turn: Turn, room: Room, understood: Understanding) -> AsyncIterator[Reply]:
    """Answer a wish, alone or as a change of the last one."""
    request = understood.request
    told_allergy = bool(request.allergens or request.avoid)
    async for reply in answer(turn, room, request, told_allergy, alone=understood.alone):
        yield reply


async def open_request(turn: Turn, room: Room, domain: Domain | None) -> AsyncIterator[Reply]:
    """Answer "anything", or a domain's button: no wish but that of a last request which left the domain open."""
    last = _last_request(room)
    request = replace(last, domain=domain) if last and last.domain is None else Request(domain=domain)
    async for reply in answer(turn, room, request):
        yield reply


async def more(
    turn: Turn, room: Room, exposure: Exposure | None = None, count: int = DEFAULT_COUNT
) -> AsyncIterator[Reply]:
    """Other picks for the same wish: of this exposure, or the last one of the talk."""
    request = _last_request(room)
    if exposure is not None and exposure.id != room.session.get("exposure"):
        request = Request.from_dict(exposure.body["request"])
    async for reply in answer(turn, room, replace(request or Request(), count=count)):
        yield reply


async def refine(turn: Turn, room: Room, exposure: Exposure, data: str) -> AsyncIterator[Reply]:
    """A pressed question: the wish of its exposure, changed as the button says."""
    base = _last_request(room) if exposure.id == room.session.get("exposure") else None
    base = base or Request.from_dict(exposure.body["request"])
    change = refinement(data, base.domain)
    if change is None:
        yield Reply(text=room.words.say("chat.stale"))
        return
    async for reply in answer(turn, room, base.refined(change)):
        yield reply


async def loosen(turn: Turn, room: Room, field: str) -> AsyncIterator[Reply]:
    """The last wish without one of its rules, after nothing fitted."""
    request = _last_request(room)
    if request is None or field not in ("domain", *room.session.get("loosen", ())):
        yield Reply(text=room.words.say("chat.stale"))
        return
    async for reply in answer(turn, room, request.without(field)):
        yield reply


async def again(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """The last wish once more, and what was shown may come again: asked for by a button."""
    room.session["shown"] = []
    async for reply in answer(turn, room, _last_request(room) or Request()):
        yield reply


async def answer(
    turn: Turn, room: Room, request: Request, told_allergy: bool = False, alone: Request | None = None
) -> AsyncIterator[Reply]:
    """Recommend for a request, show it, and keep what later turns need.

    `alone` is the last text's own wish: where nothing keeps it and what was asked before, it stands alone.
    """
    known = await memory.known_taste(room)
    shown = [item for item, at in room.session.get("shown", ()) if turn.at - at < TALK_SECONDS]
    last = _last_request(room)
    said = Said(room.session.get("said", ()))

    async def found_for(wish: Request) -> Recommendation:
        seen = Exclude(items=tuple(item for item in shown if item not in wish.items))
        asked = replace(wish, exclude=wish.exclude.joined(seen))
        return await room.engine.recommend(
            asked,
            known,
            seed=seed_of(turn.id),
            language=room.language,
            live=True,
            said=said,
            talk=memory.talk(room),
        )

    found = await found_for(request)
    if not found.picks and alone is not None and (other := await found_for(alone)).picks:
        found, request, last = other, alone, None
    else:
        alone = None
    room.session["request"] = request.to_dict()
    if not found.picks:
        room.session["loosen"] = list(found.loosen)
        yield Reply(
            text=nothing(room.words, found, bool(shown)),
            choices=_ways_out(room, request, found, bool(shown)),
        )
        return
    text = introduction(room.words, request, known, found, last)
    text = f"{room.words.say('intro.anew')} {text}" if alone else text
    if room.engine.writes:
        # what others read says nothing that a person told of themselves
        heard = known if turn.chat.kind == "private" else replace(known, says=())
        async with await room.engine.advisor.wording(
            found, heard, memory.talk(room), room.language
        ) as drafts:
            async for draft in drafts:
                yield Reply(text=text, cards=tuple(map(card, draft.picks)), interim=True)
            found = drafts.whole
    memory.told(room, "bot", ", ".join(pick.title for pick in found.picks))
    exposure = exposure_id(turn)
    room.session |= {
        "exposure": exposure,
        "said": said.kept,
        "focus": None,
        "shown": (room.session.get("shown", []) + [[pick.id, turn.at] for pick in found.picks])[-SHOWN_KEPT:],
    }
    body = replace(found, request=replace(found.request, exclude=request.exclude)).to_dict()
    memory.show(
        turn, room, exposure, str(request.domain or ""), [pick.id for pick in found.picks],
        body if room.consent else discreet(body),
    )  # fmt: skip
    yield Reply(
        text=text,
        cards=tuple(map(card, found.picks)),
        choices=_choices(room, found, exposure, told_allergy),
        exposure=exposure,
    )


def card(pick: Pick) -> Card:
    """A pick as it is shown; the question that checks it follows what it is asked about."""
    return Card(
        pick.id, str(pick.domain), pick.title, pick.fit, f"{pick.reason} {pick.check}".strip(), pick.benefit,
        pick.facts, pick.url, pick.cover,
    )  # fmt: skip


def seed_of(turn_id: str) -> int:
    """The seed of a turn: the same when the turn is handled again after a crash."""
    return int.from_bytes(hashlib.blake2b(turn_id.encode(), digest_size=4).digest(), "big")


def exposure_id(turn: Turn) -> str:
    """The id of what a turn shows: ids of turns are unique on their platform only."""
    return hashlib.blake2b(f"{turn.chat.platform}|{turn.id}".encode(), digest_size=6).hexdigest()


def feedback_choices(exposure: str, position: int, row: int, number: int | None = None) -> list[Choice]:
    """The five feedback buttons of one card; `number` stands before each where several cards are shown."""
    mark = f"{number} " if number else ""
    return [Choice(f"{mark}{icon}", f"fb:{kind}:{exposure}:{position}", row) for kind, icon in FEEDBACK]


def _choices(room: Room, found: Recommendation, exposure: str, told_allergy: bool) -> tuple[Choice, ...]:
    say = room.words.say
    choices = [
        Choice(say("button.detail", number=place, title=pick.title), f"item:{exposure}:{place}", place)
        for place, pick in enumerate(found.picks, 1)
    ]
    row = len(choices) + 1
    choices += [
        Choice(question.label, f"ask:{exposure}:{question.data}", row) for question in found.followups
    ]
    choices.append(Choice(say("button.more"), f"more:{exposure}", row + 1))
    if told_allergy and room.user.consent is None and not room.user.guest:
        choices.append(Choice(say("button.remember_allergy"), "remember:allergies", row + 1))
    for place in range(1, len(found.picks) + 1):
        choices += feedback_choices(exposure, place, row + 1 + place, place)
    return tuple(choices)


def discreet(body: dict[str, Any]) -> dict[str, Any]:
    """What is stored of an answer without consent: nothing of the person's mood, body or allergies."""
    request = {name: value for name, value in body.get("request", {}).items() if name not in SENSITIVE}
    picks, writers = body.get("picks", ()), body.get("trace", {}).get("writers", ())
    kept = [
        _discreet(pick, by_model=writer == "model")
        for pick, writer in zip_longest(picks, writers[: len(picks)])
    ]
    return body | {"request": request, "picks": kept}


def _discreet(pick: dict[str, Any], by_model: bool) -> dict[str, Any]:
    """A pick without grounds that tell of the person, and without the sentences that were built on them; a model was
    told of the person and of the talk."""
    grounds = [g for g in pick.get("grounds", ()) if not g.startswith(("moods.", "body.", "without."))]
    told = by_model or len(grounds) < len(pick.get("grounds", ()))
    return pick | {"grounds": grounds} | ({"reason": "", "benefit": "", "check": ""} if told else {})


def introduction(
    words: Phrases, request: Request, known: Taste, found: Recommendation, last: Request | None = None
) -> str:
    """What is said before the picks, with the caution that every food answer carries for an allergy.

    A mood or a state of the body gets a kind word when it is told, not again while `last` told it too.
    """
    say, seed = words.say, found.trace.seed
    told = [
        f"intro.{name}.{value}"
        for name in ("moods", "body")
        for value in getattr(request, name)
        if value not in getattr(last or Request(), name)
    ]
    kinds = {str(pick.domain) for pick in found.picks}
    kind = (
        "mixed" if len(kinds) == len(Domain)
        else "several" if request.among and len(kinds) > 1
        else kinds.pop() if len(kinds) == 1
        else "some"
    )  # fmt: skip
    parts = [say(told[0] if told else f"intro.{kind}", seed)]
    refused = (*request.allergens, *(avoided(name, words.language) for name in request.avoid))
    if refused:
        names = [words.variants(f"label.allergens.{name}") or [name] for name in refused]
        parts.append(say("intro.allergy", names=", ".join(name[0] for name in names[:REFUSED_NAMED])))
    if request.conflicts:
        rules = ", ".join(say(f"rule.{name}") for name in request.conflicts)
        parts.append(say("intro.conflict", names=rules))
    if request.unchecked:
        claims = ", ".join(say(f"intro.unchecked_name.{name}") for name in request.unchecked)
        parts.append(say("intro.unchecked", names=claims))
    if request.unknown:
        parts.append(say("intro.unknown", name=request.unknown))
    if found.blocked:
        parts.append(say("intro.blocked", names=", ".join(found.blocked)))
    if request.domain is not None and len(found.picks) < request.count:
        parts.append(say("intro.fewer", seed, count=len(found.picks), unit=say(f"form.{kind}.unit")))
    food = any(pick.domain is Domain.FOOD for pick in found.picks)
    if food and (known.allergens or known.avoid or request.allergens or request.avoid):
        parts.append(say("chat.allergy_caution"))
    if food and (key := care.caution(request.text)):
        parts.append(say(key, seed))
    return " ".join(parts)


def nothing(words: Phrases, found: Recommendation, shown: bool = False) -> str:
    """What is said when nothing keeps the rules: which rule stands in the way, or that all was shown."""
    if found.loosen:
        names = ", ".join(words.say(f"rule.{name}") for name in found.loosen)
        return words.say("chat.nothing_jointly" if found.jointly else "chat.nothing_loosen", rules=names)
    return words.say("chat.nothing_more" if shown else "chat.nothing")


def _ways_out(room: Room, request: Request, found: Recommendation, shown: bool) -> tuple[Choice, ...]:
    say = room.words.say
    choices = [
        Choice(say("button.loosen", rule=say(f"rule.{name}")), f"loose:{name}", 1) for name in found.loosen
    ]
    if shown:
        choices.append(Choice(say("button.again"), "again", 2))
    if request.domain is not None:
        choices.append(Choice(say("button.open"), f"d:{request.domain}", 2))
    return tuple(choices)


def _last_request(room: Room) -> Request | None:
    raw = room.session.get("request")
    return Request.from_dict(raw) if raw else None
