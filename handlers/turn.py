"""What crosses between a platform and the conversations: a Turn comes in, Replies go out.

Knows no platform: an adapter in `bot/` makes Turns out of what its platform tells, and renders Replies.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import Literal

from pydantic import TypeAdapter

NUMBER_LENGTH = 6
"""Digits of the largest number in a button's data."""


@dataclass(frozen=True, slots=True)
class Chat:
    """Where something was said. `id` is the platform's own."""

    platform: str
    id: str
    kind: Literal["private", "group", "thread"] = "private"


@dataclass(frozen=True, slots=True)
class Person:
    """Who said it, as the platform tells. `locale` is a BCP 47 tag or empty."""

    id: str
    name: str = ""
    locale: str = ""


CLOCK = Person("clock")
"""Who speaks where nobody does: when a time has come, when a poll has ended."""


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    kind: Literal["text"] = "text"

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _whole(self.text))


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command without its slash; `argument` is what followed it, or a deep link's payload."""

    name: str
    argument: str = ""
    kind: Literal["command"] = "command"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _whole(self.name))
        object.__setattr__(self, "argument", _whole(self.argument))


@dataclass(frozen=True, slots=True)
class Press:
    """A button; `data` is the `Choice.data` that was shown with it, or a forgery."""

    data: str
    kind: Literal["press"] = "press"

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", _whole(self.data))


@dataclass(frozen=True, slots=True)
class FormSubmitted:
    name: str
    values: dict[str, str] = field(default_factory=dict)
    kind: Literal["form"] = "form"


@dataclass(frozen=True, slots=True)
class Location:
    """Degrees, WGS 84."""

    latitude: float
    longitude: float
    kind: Literal["location"] = "location"


@dataclass(frozen=True, slots=True)
class Media:
    """Something sent that holds no words: `what` is "sticker", "voice", "photo" and the like."""

    what: str
    kind: Literal["media"] = "media"


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """What a person chose, none to take it back. `poll` is the slot of the Reply that showed the poll."""

    poll: str
    options: tuple[int, ...]
    kind: Literal["poll_answer"] = "poll_answer"


@dataclass(frozen=True, slots=True)
class PollClosed:
    """A poll has ended, `votes` by option. `poll` is the slot of the Reply that showed it."""

    poll: str
    votes: tuple[int, ...]
    kind: Literal["poll_closed"] = "poll_closed"


@dataclass(frozen=True, slots=True)
class Membership:
    """The bot or a person came into a chat or left it."""

    change: Literal["joined", "left"]
    of_bot: bool = False
    kind: Literal["membership"] = "membership"


@dataclass(frozen=True, slots=True)
class Tick:
    """The clock, for what was to happen at a time."""

    name: str
    kind: Literal["tick"] = "tick"


Payload = (
    Text | Command | Press | FormSubmitted | Location | Media | PollAnswer | PollClosed | Membership | Tick
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that happened in a chat.

    `id` is unique on its platform and the same when the platform delivers it twice; `at` is Unix
    seconds; `replies_to` is the message that this one answers, if it does.
    """

    id: str
    chat: Chat
    person: Person
    payload: Payload
    at: float
    replies_to: str | None = None
    mentions_bot: bool = False

    def to_json(self) -> str:
        return _TURN.dump_json(self).decode()

    @staticmethod
    def from_json(body: str) -> Turn:
        """Raises pydantic.ValidationError when `body` is no Turn of this version."""
        return _TURN.validate_json(body)


def number(data: str) -> int | None:
    """The number that a part of a button's data holds, or None for a forgery that int() would choke on."""
    return int(data) if data.isdecimal() and len(data) <= NUMBER_LENGTH else None


def _whole(text: str) -> str:
    """The text without halves of characters, which JSON may carry and no database takes."""
    return text.encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Choice:
    """A button: `data` comes back in a Press. Choices of one `row` stand side by side.

    Instead of that, `url` opens a page, and `start` the private chat with the bot, where it comes as the
    argument of a `/start`: letters, digits, "_" and "-", 64 at most.
    """

    label: str
    data: str = ""
    row: int = 0
    url: str = ""
    start: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One recommended item, ready to show. `fit` is 1 to 10; `facts` are short and in order; `cover` is the
    address of a picture."""

    id: str
    domain: str
    title: str
    fit: int
    reason: str
    benefit: str
    facts: tuple[str, ...] = ()
    url: str | None = None
    cover: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """Fields asked at once where a platform has modals, else one by one: (name, label)."""

    name: str
    title: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Poll:
    """A question to vote on; shown again in its slot with `closed`, it ends. Votes come back as turns."""

    question: str
    options: tuple[str, ...]
    multiple: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a reply: what it is called, its MIME type, what stands in it: text, or else bytes
    in Base64."""

    name: str
    mime: str
    text: str
    base64: bool = False

    @property
    def content(self) -> bytes:
        return b64decode(self.text) if self.base64 else self.text.encode()


@dataclass(frozen=True, slots=True)
class Reply:
    """Something to show.

    A later Reply with the same `slot` in the same chat replaces the earlier one, also from a later
    turn; an empty slot gets one of its own for each turn. An `interim` Reply is shown at once and
    alone, and must be replaced by a final one of its slot; final ones are stored together with what
    the turn changed. `chat` is another chat than the turn's, if given, and `person` the platform's id of
    whom it is for there, if that is not who spoke; `private` means that only that person may see it;
    `exposure` is the id of the exposure that it shows; `locate` offers a button that tells where the person is,
    where a platform has such; `cards_first` says that the text tells more of what stands on the cards.
    """

    text: str = ""
    cards: tuple[Card, ...] = ()
    choices: tuple[Choice, ...] = ()
    form: Form | None = None
    poll: Poll | None = None
    slot: str = ""
    chat: Chat | None = None
    person: str = ""
    private: bool = False
    interim: bool = False
    exposure: str | None = None
    file: Attachment | None = None
    locate: bool = False
    cards_first: bool = False

    def to_json(self) -> str:
        return _REPLY.dump_json(self).decode()

    @staticmethod
    def from_json(body: str) -> Reply:
        """Raises pydantic.ValidationError when `body` is no Reply of this version."""
        return _REPLY.validate_json(body)


_TURN: TypeAdapter[Turn] = TypeAdapter(Turn)
_REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)
