"""Addresses of servers, and whose machine one is of: what people tell goes to no other without a yes."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

_OWN_NAMES: Final = (".local", ".internal", ".localhost")


def base(url: str) -> str:
    """Where a server of OpenAI's protocol has its addresses, told with or without /v1."""
    bare = url.rstrip("/")
    return bare if bare.endswith("/v1") else f"{bare}/v1"


def is_own(url: str) -> bool:
    """Whether an address is of one's own machines: loopback, a private address, a name without a dot, or one that
    only a private network resolves."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_OWN_NAMES))
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_private
