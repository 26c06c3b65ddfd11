"""The GPU worker: one base model, its adapters, and an OpenAI-compatible server before them. Knows no catalog and no chat."""
