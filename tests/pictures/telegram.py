"""Draws messages of a Bot API server as Telegram shows them: bubbles, marked text, keyboards, polls.

    python -m tests.pictures.telegram MESSAGES.json PICTURE.png

MESSAGES is a list of Message objects, or a list of such lists, which stand side by side as telephones do. They come
from tests/botworld.py, or from the real server. Needs a Chromium and a Korean font (Debian: chromium, fonts-noto-cjk,
fonts-noto-color-emoji); where fonts and emoji are to be shaped, a browser does it better than we would.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from html import escape
from pathlib import Path
from typing import Any

Json = dict[str, Any]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SCALE = 1.6
COLUMN = 380
"""Width of a telephone in CSS pixels."""
KOREA = timezone(timedelta(hours=9))
TAGS = {"bold": "b", "italic": "i", "underline": "u", "strikethrough": "s", "code": "code", "pre": "pre",
        "blockquote": "blockquote", "expandable_blockquote": "blockquote", "spoiler": "span"}  # fmt: skip
NAME_COLOURS = ("#c03d33", "#4fad2d", "#b48bf2", "#168acd", "#cd4073", "#2996ad", "#ce671b")

STYLE = """
* { box-sizing: border-box; margin: 0; }
html { background: #fff; }
body { display: inline-flex; gap: 22px; padding: 22px; align-items: stretch;
  font: 15px/1.42 "Roboto", "Noto Sans KR", "Noto Sans CJK KR", "NanumBarunGothic", "Noto Color Emoji", sans-serif; }
main { width: COLUMNpx; border-radius: 26px; overflow: hidden; display: flex; flex-direction: column;
  border: 1px solid #d5dbd9; word-break: keep-all; overflow-wrap: anywhere; }
header { display: flex; align-items: center; gap: 11px; padding: 11px 16px 10px; background: #fff; border-bottom: 1px solid #e3e8e5; }
header .face { width: 40px; height: 40px; border-radius: 50%; color: #fff; display: grid; place-items: center; font-size: 19px;
  font-weight: 700; background: linear-gradient(#ffb27a, #f0744d); }
header b { display: block; font-size: 16px; line-height: 1.25; } header span { font-size: 13px; color: #8a9399; }
header .back { color: #3390ec; font-size: 27px; line-height: 1; margin-right: -2px; font-weight: 300; }
section { flex: 1; padding: 12px 10px 16px; display: flex; flex-direction: column; gap: 7px;
  background: #b5d6a4; }
.message { max-width: 88%; align-self: flex-start; }
.message.keyed { width: 88%; } .message.own { align-self: flex-end; max-width: 80%; }
.bubble { background: #fff; border-radius: 16px 16px 16px 5px; padding: 7px 11px 6px; border-bottom: 1px solid #9cc08f; }
.keyed .bubble { border-radius: 16px 16px 6px 6px; }
.own .bubble { background: #e6fcd2; border-radius: 16px 16px 5px 16px; }
.text { white-space: pre-wrap; }
.text a { color: #2a7fd4; text-decoration: none; } .text b { font-weight: 700; }
blockquote { display: block; margin: 3px 0 1px; padding: 4px 26px 5px 10px; border-left: 3px solid #3f9a68; border-radius: 5px;
  background: #eaf5ee; position: relative; font-size: 14.5px; }
blockquote::after { content: "❞"; position: absolute; right: 8px; top: 1px; color: #3f9a68; font-size: 13px; opacity: .8; }
code, pre { font-family: "DejaVu Sans Mono", "NanumGothicCoding", monospace; font-size: 13px; color: #2b6f3f; }
.time { float: right; margin: 5px 0 -3px 10px; font-size: 11.5px; color: #95a0a4; font-feature-settings: "calt" 0; } .own .time { color: #5fae4c; }
.name { font-weight: 600; font-size: 14px; margin-bottom: 1px; }
.bubble::after { content: ""; display: block; clear: both; }
.keys { display: flex; gap: 4px; margin-top: 4px; }
.keys span { flex: 1 1 0; min-width: 0; min-height: 36px; padding: 7px 6px; text-align: center; color: #fff; font-weight: 600; font-size: 14px;
  border-radius: 8px; background: rgba(52, 96, 74, .52); position: relative; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.keys:last-child span:first-child { border-bottom-left-radius: 15px; } .keys:last-child span:last-child { border-bottom-right-radius: 15px; }
.keys .link::after { content: "↗"; position: absolute; right: 6px; top: 1px; font-size: 10px; }
.poll b { display: block; } .poll small { color: #95a0a4; display: block; margin-bottom: 5px; }
.option { display: grid; grid-template-columns: 40px 1fr; margin-top: 6px; } .option em { font-style: normal; font-weight: 600; font-size: 13px; }
.option hr { grid-column: 2; border: 0; height: 4px; border-radius: 2px; background: #4fae4e; min-width: 5px; margin-top: 2px; }
""".replace("COLUMN", str(COLUMN))


def page(columns: list[list[Json]]) -> str:
    """The messages as an HTML page."""
    phones = "".join(_column(messages) for messages in columns if messages)
    return f'<!doctype html><html lang="ko"><meta charset="utf-8"><style>{STYLE}</style><body>{phones}</body></html>'


def marked(text: str, entities: list[Json]) -> str:
    """A text with its entities as HTML; they are counted in UTF-16 units, and one lies within another or beside it."""
    coded = text.encode("utf-16-le")
    opened: list[tuple[int, str]] = []
    out, at = [], 0

    def upto(end: int) -> None:
        nonlocal at
        out.append(escape(coded[2 * at : 2 * end].decode("utf-16-le")))
        at = end

    for entity in sorted(entities, key=lambda each: (each["offset"], -each["length"])):
        while opened and opened[-1][0] <= entity["offset"]:
            upto(opened[-1][0])
            out.append(opened.pop()[1])
        upto(entity["offset"])
        tag = TAGS.get(entity["type"], "a")
        out.append(f"<{tag}>")
        opened.append((entity["offset"] + entity["length"], f"</{tag}>"))
    while opened:
        upto(opened[-1][0])
        out.append(opened.pop()[1])
    upto(len(coded) // 2)
    return re.sub(r"\n?(</?blockquote>)\n?", r"\1", "".join(out))  # a quotation ends its line by itself


def draw(columns: list[list[Json]], picture: Path) -> None:
    """Write the messages as a PNG. Raises SystemExit where there is no browser to draw with."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"No browser to draw with; install one of {', '.join(BROWSERS)}.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(page(columns), encoding="utf-8")
        measured = path.with_name("measured.html")
        say = (
            "<script>document.title = [document.body.offsetWidth, document.body.offsetHeight].join()</script>"
        )
        measured.write_text(page(columns).replace("</body>", f"</body>{say}"), encoding="utf-8")
        common = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--window-size=4000,3000",
        ]
        dom = subprocess.run(
            [*common, "--dump-dom", str(measured)], capture_output=True, text=True, check=True
        ).stdout
        size = re.search(r"<title>(\d+),(\d+)</title>", dom)
        assert size is not None, dom[-300:]
        taken = [*common[:-1], f"--window-size={size[1]},{size[2]}", f"--force-device-scale-factor={SCALE}"]
        subprocess.run(
            [*taken, f"--screenshot={picture.resolve()}", str(path)], capture_output=True, check=True
        )


def _column(messages: list[Json]) -> str:
    chat = messages[0]["chat"]
    group = chat["type"] != "private"
    bot = next((m["from"]["first_name"] for m in messages if m["from"]["is_bot"]), "")
    name, below = (chat["title"], "그룹") if group else (bot, "봇")
    face = f'<div class="face">{escape(name[:1])}</div>'
    head = f'<header><div class="back">‹</div>{face}<div><b>{escape(name)}</b><span>{below}</span></div></header>'
    return f"<main>{head}<section>{''.join(_message(m, group) for m in messages)}</section></main>"


def _message(message: Json, group: bool) -> str:
    sender = message["from"]
    own = not sender["is_bot"] and not group
    keys = message.get("reply_markup", {}).get("inline_keyboard", [])
    text = message.get("text") or message.get("caption") or ""
    entities = message.get("entities") or message.get("caption_entities") or []
    colour = NAME_COLOURS[sender["id"] % len(NAME_COLOURS)]
    body = f'<div class="name" style="color: {colour}">{escape(sender["first_name"])}</div>' if group else ""
    body += (
        _poll(message["poll"]) if "poll" in message else f'<span class="text">{marked(text, entities)}</span>'
    )
    at = datetime.fromtimestamp(message.get("date", 0), UTC).astimezone(KOREA)
    body += f'<span class="time">{at:%H:%M}{" ✓✓" if own else ""}</span>'
    kind = f"message{' own' if own else ''}{' keyed' if keys or 'poll' in message else ''}"
    return f'<div class="{kind}"><div class="bubble">{body}</div>{"".join(_keys(row) for row in keys)}</div>'


def _keys(row: list[Json]) -> str:
    labels = [f"<span{' class=link' if 'url' in key else ''}>{escape(key['text'])}</span>" for key in row]
    return f'<div class="keys">{"".join(labels)}</div>'


def _poll(poll: Json) -> str:
    total = max(poll["total_voter_count"], 1)
    rows = [
        f"<div class=option><em>{100 * option['voter_count'] // total}%</em><span>{escape(option['text'])}</span>"
        f'<hr style="width: {100 * option["voter_count"] / total}%"></div>'
        for option in poll["options"]
    ]
    about = "최종 결과" if poll["is_closed"] else "익명 투표" if poll["is_anonymous"] else "공개 투표"
    return f"<div class=poll><b>{escape(poll['question'])}</b><small>{about}</small>{''.join(rows)}</div>"


if __name__ == "__main__":
    said = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    draw(said if said and isinstance(said[0], list) else [said], Path(sys.argv[2]))
