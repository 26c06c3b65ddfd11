"""The engine's one family of errors; each message is a sentence that a person may read."""


class EngineError(Exception):
    """Something that the engine cannot do, said so that one knows what to do."""
