"""The survey of a domain: one question a message, every one skippable, taken up again and changed at any time.

What a button means stands in its data, so that it survives a restart. Answers are remembered with consent,
which is asked for once; without it they hold for this talk only.

```mermaid
stateDiagram-v2
  [*] --> Consent: first time
  Consent --> Question
  [*] --> Question
  Question --> Question: answer, skip, back, page
  Question --> Summary: last one answered
  Summary --> Question: change
  Summary --> [*]: recommend
  Question --> [*]: later
```
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from data.item import Domain
from engine.taste import Question, survey
from handlers import consent, memory
from handlers.memory import Answers
from handlers.options import named, options_of
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn, number

PAGE: Final = 9
TYPED_LENGTH: Final = 40
"""Characters of a typed answer that are kept."""

NONE: Final = frozenset(
    {"없어", "없어요", "없음", "없습니다", "아니", "아니요", "아뇨", "no", "none", "nothing"}
)


async def begin(turn: Turn, room: Room, domain: Domain | None) -> AsyncIterator[Reply]:
    """Start or take up a survey; without a domain, ask which."""
    if domain is None:
        say = room.words.say
        choices = tuple(Choice(say(f"button.survey_of.{d}"), f"survey:{d}", 1) for d in Domain)
        yield Reply(text=say("survey.which"), choices=choices)
    elif room.user.consent is None and not room.user.guest:
        yield _consent(room, domain)
    else:
        yield await _next(room, domain)


async def press(turn: Turn, room: Room, data: str) -> AsyncIterator[Reply]:
    """A survey button: DOMAIN, DOMAIN:consent:yes, or DOMAIN:QUESTION:VERB[:VALUE]."""
    name, _, rest = data.partition(":")
    if not name:
        async for reply in begin(turn, room, None):
            yield reply
        return
    stale = Reply(text=room.words.say("chat.stale"))
    if name not in set(Domain):
        yield stale
        return
    domain = Domain(name)
    if not rest:
        async for reply in begin(turn, room, domain):
            yield reply
        return
    key, _, rest = rest.partition(":")
    verb, _, value = rest.partition(":")
    if key == "consent":
        if verb != "yes" and room.user.consent:  # an old button: what is remembered goes only after asking
            async for reply in consent.ask(turn, room):
                yield reply
            return
        memory.agree(room, verb == "yes")
        yield await _next(room, domain)
        return
    asked = survey(domain)
    places = {question.id: place for place, question in enumerate(asked.questions)}
    if key not in places:
        yield stale
        return
    place = places[key]
    question = asked.questions[place]
    given = await answers(room, domain)
    match verb:
        case "pick":
            options = {option for option, _, _ in await named(room, question, given)}
            if value not in options and value not in given.get(key, ()):
                yield stale
                return
            given |= {key: _toggled(given.get(key, []), value, question.kind != "single")}
            memory.keep_answers(room, domain, given)
            if question.kind == "single":
                yield await _after(room, domain, place, given)
            else:
                yield await _ask(room, domain, place, given, _page_of(room))
        case "page" if (page := number(value)) is not None:
            yield await _ask(room, domain, place, given, page)
        case "skip" | "next":
            if verb == "skip":
                given |= {key: []}
                memory.keep_answers(room, domain, given)
            yield await _after(room, domain, place, given)
        case "back":
            yield await _ask(room, domain, max(0, place - 1), given, 0)
        case "ask":
            yield await _ask(room, domain, place, given, 0)
        case "later":
            room.session.pop("survey", None)
            yield Reply(
                text=room.words.say("survey.later"), slot=_slot(domain), choices=_done_choices(room, domain)
            )
        case _:
            yield stale


async def typed_answer(turn: Turn, room: Room, text: str) -> AsyncIterator[Reply] | None:
    """The replies to a text that answers the question just asked, or None when it does not."""
    current = room.session["survey"]
    domain = Domain(current["domain"])
    asked = survey(domain)
    place = next((n for n, q in enumerate(asked.questions) if q.id == current["question"]), None)
    if place is None:
        return None
    question = asked.questions[place]
    typed = text.lower()
    values = [
        value
        for value, label, others in await named(room, question, {})
        if typed in (value, label.lower(), *(other.lower() for other in others))
    ]
    if not values and text.lower().strip(" .!~") in NONE:
        return _take(room, domain, place, [])
    if (
        not values
        and domain is Domain.FOOD
        and question.field != "allergens"
        and await _only_allergies(room, text)
    ):
        # told early, an allergy must not pass for a wish
        place = next(n for n, q in enumerate(asked.questions) if q.field == "allergens")
        values = await _read(room, asked.questions[place], text)
    elif not values and question.typed and len(text) <= TYPED_LENGTH:
        values = await _read(room, question, text)
    if not values:
        return None
    return _take(room, domain, place, values)


async def remember(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """Keep the allergies told in this talk for good: pressing the button is the consent."""
    limits = room.session.get("limits", {})
    if room.user.guest or not (limits.get("allergens") or limits.get("avoid")):
        yield Reply(text=room.words.say("chat.stale"))
        return
    await memory.remember_talk(room)
    yield Reply(text=room.words.say("chat.allergy_kept"))


async def answers(room: Room, domain: Domain) -> Answers:
    """What was answered so far, remembered or in this talk."""
    return (await memory.survey_answers(room)).get(domain, {})


async def _take(room: Room, domain: Domain, place: int, values: list[str]) -> AsyncIterator[Reply]:
    question = survey(domain).questions[place]
    given = await answers(room, domain)
    earlier = given.get(question.id, [])
    several = question.kind != "single"
    given |= {question.id: list(dict.fromkeys((*earlier, *values))) if several else values[:1]}
    memory.keep_answers(room, domain, given)
    if several and values:
        yield await _ask(room, domain, place, given, _page_of(room))
    else:
        yield await _after(room, domain, place, given)


async def _only_allergies(room: Room, text: str) -> bool:
    """Whether a text names things to eat and wishes nothing: an answer to a question yet to come."""
    named = await room.engine.allergies_in(text)
    said = await room.engine.understand(text, this_year=room.today.year)
    bare = replace(said.request, ingredients=(), items=(), allergens=(), avoid=(), diet=())
    return any(named) and len(text) <= TYPED_LENGTH and said.request.text == said.text and bare.is_open


async def _read(room: Room, question: Question, text: str) -> list[str]:
    """Typed words as answers: names as the catalog spells them, allergies as the lexicon names them."""
    if question.kind == "people":
        return room.engine.people_in(text)
    said = await room.engine.understand(text, this_year=room.today.year)
    asks = said.intent != "recommend" or said.request.text != said.text
    if question.field == "allergens" and (not asks or any(await room.engine.allergies_in(text))):
        labels, others = await room.engine.allergies_in(text, listed=True)
        if labels or others:
            return [*labels, *(f"other.{name}" for name in others)]
    if asks or (question.field and said.request.domain in (Domain.BOOK, Domain.MOVIE)):
        return []
    return [f"other.{text}" if question.field == "allergens" else text]


async def _next(room: Room, domain: Domain) -> Reply:
    """The first question without an answer, or the summary when there is none."""
    given = await answers(room, domain)
    for place, question in enumerate(survey(domain).questions):
        if question.id not in given:
            return await _ask(room, domain, place, given, 0)
    return await _summary(room, domain, given)


async def _after(room: Room, domain: Domain, place: int, given: Answers) -> Reply:
    """The next question without an answer: whoever changed one answer is not asked the others again."""
    for later, question in enumerate(survey(domain).questions):
        if later > place and question.id not in given:
            return await _ask(room, domain, later, given, 0)
    return await _summary(room, domain, given)


async def _ask(room: Room, domain: Domain, place: int, given: Answers, page: int) -> Reply:
    asked, say = survey(domain), room.words.say
    question = asked.questions[place]
    room.session["survey"] = {"domain": str(domain), "question": question.id}
    room.session["page"] = page
    options = await options_of(room, question, given)
    pages = max(1, -(-len(options) // PAGE)) if len(options) > PAGE + 3 else 1
    page = page % pages
    shown = options[page * PAGE : (page + 1) * PAGE] if pages > 1 else options
    here = f"survey:{domain}:{question.id}"
    marked = set(given.get(question.id, ()))
    choices = [
        Choice(f"{'✓ ' if value in marked else ''}{label}", f"{here}:pick:{value}", 1 + n // 3)
        for n, (value, label) in enumerate(shown)
    ]
    row = 10
    if pages > 1:
        choices.append(
            Choice(say("button.page", page=page + 1, pages=pages), f"{here}:page:{(page + 1) % pages}", row)
        )
    if place:
        choices.append(Choice(say("button.back"), f"{here}:back", row + 1))
    if marked:
        choices.append(Choice(say("button.next"), f"{here}:next", row + 1))
    else:
        choices.append(Choice(say("button.skip"), f"{here}:skip", row + 1))
    choices.append(Choice(say("button.later"), f"{here}:later", row + 1))
    head = say("survey.head", title=asked.titles[room.language], place=place + 1, total=len(asked.questions))
    lines = [head, question.ask[room.language]]
    if pages > 1 and marked:
        lines.append("✓ " + ", ".join(label for value, label in options if value in marked))
    return Reply(text="\n".join(lines), slot=_slot(domain), choices=tuple(choices))


async def _summary(room: Room, domain: Domain, given: Answers) -> Reply:
    asked, say = survey(domain), room.words.say
    room.session.pop("survey", None)
    choices = [Choice(say(f"button.begin.{domain}"), f"d:{domain}", 1)]
    lines = [say("survey.done", title=asked.titles[room.language])]
    for place, question in enumerate(asked.questions):
        named = dict(await options_of(room, question, given))
        labels = ", ".join(named.get(value, value) for value in given.get(question.id, ())[:6])
        name = say(f"survey.name.{question.id}")
        lines.append(f"· {name}: {labels or say('survey.none')}")
        choices.append(
            Choice(say("button.change", name=name), f"survey:{domain}:{question.id}:ask", 2 + place // 3)
        )
    if not room.consent:
        lines.append(say("survey.this_talk"))
    return Reply(text="\n".join(lines), slot=_slot(domain), choices=tuple(choices))


def _consent(room: Room, domain: Domain) -> Reply:
    say = room.words.say
    room.session["survey"] = {"domain": str(domain), "question": survey(domain).questions[0].id}
    return Reply(
        text=say("survey.consent"),
        slot=_slot(domain),
        choices=(
            Choice(say("button.consent_yes"), f"survey:{domain}:consent:yes", 1),
            Choice(say("button.consent_no"), f"survey:{domain}:consent:no", 1),
        ),
    )


def _toggled(chosen: list[str], value: str, several: bool) -> list[str]:
    if value in chosen:
        return [each for each in chosen if each != value]
    return [*chosen, value] if several else [value]


def _page_of(room: Room) -> int:
    page = room.session.get("page", 0)
    return page if isinstance(page, int) else 0


def _slot(domain: Domain) -> str:
    return f"survey.{domain}"


def _done_choices(room: Room, domain: Domain) -> tuple[Choice, ...]:
    return (
        Choice(room.words.say(f"button.begin.{domain}"), f"d:{domain}", 1),
        Choice(room.words.say("button.resume"), f"survey:{domain}", 1),
    )
