"""Telegram as a platform, by python-telegram-bot: what comes in, how a reply looks, what the platform bears.

Only this package knows the library. Decides nothing: what it shows, other platforms show.
"""

import os

os.environ.setdefault("PTB_TIMEDELTA", "1")  # spans of time as such: it warns at every number otherwise
