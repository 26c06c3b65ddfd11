"""What goes over the wire: the part of the OpenAI API that vLLM also speaks, as types. Knows no model and no HTTP.

Unknown fields are ignored, as OpenAI does; fields that would change the answer and cannot be honoured are refused.
Extensions of vLLM that are taken: `chat_template_kwargs`, and the two calls that load and unload adapters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

TOP_LOGPROBS: Final = 20
STOP_STRINGS: Final = 4
STOP_CHARACTERS: Final = 200
MESSAGES: Final = 1_000
INPUTS: Final = 2_048
"""Texts of one embeddings request, OpenAI's own limit."""
SCHEMA_CHARACTERS: Final = 50_000
LOWEST_LOGPROB: Final = -9_999.0
"""JSON has no infinity; vLLM says the same."""

NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "audio": (None,),
    "modalities": (None, ["text"]),
    "logit_bias": (None, {}),
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "repetition_penalty": (None, 1),
    "top_k": (None, 0, -1),
    "min_p": (None, 0),
    "best_of": (None, 1),
    "use_beam_search": (None, False),
    "echo": (None, False),
    "prompt_logprobs": (None, 0),
    "min_tokens": (None, 0),
    "stop_token_ids": (None, []),
    "bad_words": (None, []),
    "structured_outputs": (None,),
    "guided_json": (None,),
    "guided_regex": (None,),
    "guided_choice": (None, []),
    "guided_grammar": (None,),
    "continue_final_message": (None, False),
    "chat_template": (None,),
}
"""Fields of OpenAI and vLLM that are not served, and with which values they ask for nothing."""

Model = TypeVar("Model", bound=BaseModel)


class Refusal(Exception):
    """A request that is answered with an error; the message may be read by whoever asked."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.retry_after = retry_after
        """Seconds."""

    @property
    def type(self) -> str:
        """OpenAI's kind of error."""
        kinds = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
        return kinds.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")

    def to_json(self) -> str:
        """The body of the answer."""
        body = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return json.dumps({"error": body}, ensure_ascii=False)


class Asked(BaseModel):
    """What a client sends: types are not guessed ("5" is no number), infinities are none."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)


class Message(Asked):
    """One message; text parts are joined by line ends, as vLLM joins them."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str = ""

    @field_validator("content", mode="before")
    @classmethod
    def _joined(cls, value: Any) -> Any:
        if value is None:
            return ""
        if not isinstance(value, list):
            return value
        parts = []
        for part in value:
            if (
                not isinstance(part, dict)
                or part.get("type") != "text"
                or not isinstance(part.get("text"), str)
            ):
                raise ValueError('only parts {"type": "text", "text": …} are served')
            parts.append(part["text"])
        return "\n".join(parts)

    @model_validator(mode="after")
    def _plain(self) -> Message:
        if (self.model_extra or {}).get("tool_calls"):
            raise unserved("tool_calls")
        return self


class StreamOptions(Asked):
    include_usage: bool = False


class Schema(Asked):
    """The `json_schema` of a response format."""

    name: str = ""
    wanted: dict[str, Any] = Field(alias="schema")


class ResponseFormat(Asked):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None

    @model_validator(mode="after")
    def _complete(self) -> ResponseFormat:
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("json_schema is missing")
        schema = self.schema_text
        if schema is not None and len(schema) > SCHEMA_CHARACTERS:
            raise ValueError(f"the schema is longer than {SCHEMA_CHARACTERS:,} characters")
        return self

    @property
    def schema_text(self) -> str | None:
        """The schema that the answer must keep, as JSON; None for plain text."""
        if self.type == "text":
            return None
        wanted = self.json_schema.wanted if self.type == "json_schema" and self.json_schema else None
        return json.dumps({"type": "object"} if wanted is None else wanted, ensure_ascii=False)


class ChatRequest(Asked):
    """`POST /v1/chat/completions`."""

    model: str | None = None
    """A name that `/v1/models` lists; without one the base model."""
    messages: Annotated[list[Message], Field(min_length=1, max_length=MESSAGES)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    """The newer name; it wins where both are given."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=TOP_LOGPROBS)] | None = None
    response_format: ResponseFormat | None = None
    n: Literal[1] | None = None
    chat_template_kwargs: dict[str, bool | int | float | str | None] | None = None
    """Switches of the model's own template, such as `enable_thinking`."""

    @field_validator("stop", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("stop")
    @classmethod
    def _short(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and len(value) > STOP_STRINGS:
            raise ValueError(f"at most {STOP_STRINGS} strings can be given")
        if any(not each or len(each) > STOP_CHARACTERS for each in value or ()):
            raise ValueError(f"each string has 1 to {STOP_CHARACTERS} characters")
        return value

    @field_validator("chat_template_kwargs")
    @classmethod
    def _switches(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        taken = {
            "messages", "conversation", "tools", "documents", "add_generation_prompt", "continue_final_message",
            "chat_template", "tokenize", "padding", "truncation", "max_length", "return_tensors", "return_dict",
            "return_assistant_tokens_mask", "tokenizer_kwargs",
        }  # fmt: skip
        if value is not None and (taken & value.keys() or len(value) > 16):
            raise ValueError("these are switches of the template, not its messages, tools or documents")
        return value

    @model_validator(mode="after")
    def _served(self) -> ChatRequest:
        for name, neutral in NEUTRAL.items():
            asked = (self.model_extra or {}).get(name)
            if asked not in neutral:
                raise unserved(name)
        if self.top_logprobs is not None and not self.logprobs:
            raise PydanticCustomError("needs", "needs logprobs to be true", {"field": "top_logprobs"})
        return self

    @property
    def limit(self) -> int | None:
        """The tokens that the answer may have, where that was said."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a chunk of usage."""
        return self.stream_options is not None and self.stream_options.include_usage


class EmbeddingsRequest(Asked):
    """`POST /v1/embeddings`. Prefixes such as e5's "query: " are the client's to write."""

    model: str | None = None
    input: list[str]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1)] | None = None

    @field_validator("input", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if isinstance(value, list) and any(isinstance(each, int | list) for each in value):
            raise ValueError("write texts: token ids are not served")
        return [value] if isinstance(value, str) else value

    @field_validator("input")
    @classmethod
    def _some(cls, value: list[str]) -> list[str]:
        if not 1 <= len(value) <= INPUTS:
            raise ValueError(f"1 to {INPUTS:,} texts can be given")
        if not all(map(str.strip, value)):
            raise ValueError("a text is empty")
        return value


class LoadAdapter(Asked):
    """`POST /v1/load_lora_adapter`, vLLM's."""

    lora_name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\s/]\S*$")]
    lora_path: Annotated[str, Field(min_length=1, max_length=4_000)]


class UnloadAdapter(Asked):
    """`POST /v1/unload_lora_adapter`, vLLM's."""

    lora_name: Annotated[str, Field(min_length=1)]


def read(kind: type[Model], body: bytes) -> Model:
    """The request that a body holds.

    Raises:
        Refusal: it holds none (400), naming the field that is wrong.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        raise Refusal(400, f"The body is not JSON: {first['ctx']['error']}.", code="invalid_json")
    path = [str(part) for part in first["loc"]]
    field = first.get("ctx", {}).get("field")
    param = ".".join([*path, field] if field else path) or None
    said = first["msg"].removeprefix("Value error, ")
    raise Refusal(400, f"{param or 'The body'}: {said}.", param=param, code="invalid_value")


def unserved(field: str) -> PydanticCustomError:
    """The error for a field that cannot be honoured."""
    return PydanticCustomError("unserved", "this server does not serve it", {"field": field})


class Said(BaseModel):
    """What the server sends."""

    model_config = ConfigDict(frozen=True)

    def to_json(self) -> str:
        """As JSON, without the fields that were not given."""
        return self.model_dump_json(exclude_unset=True)


class TopLogprob(Said):
    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob]


class Logprobs(Said):
    content: list[TokenLogprob]


class Usage(Said):
    prompt_tokens: int
    completion_tokens: int = 0
    total_tokens: int
    prompt_tokens_details: dict[str, int] = {}


class Answer(Said):
    role: Literal["assistant"]
    content: str


class Choice(Said):
    index: int
    message: Answer
    logprobs: Logprobs | None
    finish_reason: Literal["stop", "length"]


class ChatCompletion(Said):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class Delta(Said):
    role: Literal["assistant"] = "assistant"
    content: str


class ChunkChoice(Said):
    index: int
    delta: Delta | dict[str, str]
    logprobs: Logprobs | None
    finish_reason: Literal["stop", "length"] | None


class Chunk(Said):
    """A part of a stream; `usage` stands in the last one, which has no choices, where it was asked for."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None


class ModelCard(Said):
    """A name to ask for: the base model, an adapter (whose `parent` is the base), or the embeddings model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: str
    parent: str | None
    max_model_len: int | None


class ModelList(Said):
    object: Literal["list"]
    data: list[ModelCard]


class Embedding(Said):
    """One vector: numbers, or the base64 of little-endian 32-bit floats."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(Said):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage
