"""What became of a file of JSON on its way: packed, printed, pasted into a mail, rewritten by a word processor, cut."""

from __future__ import annotations

import codecs
import json

from wardround.engine.basics.reading import kind_of

_AS_IT_IS = "Ask the coordinator to send the file again as an attachment, and save it as it is"
_SAVE_ATTACHMENT = "Save the mail's attachment, and accept that file; if it has none, ask the coordinator for one"
_CURLY = ("“", "”", "„", "«", "»")
_MAIL_HEADS = ("from:", "return-path:", "received:", "delivered-to:", "mime-version:", "date:", "subject:", "to:")
_PACKED = ((b"PK", "a ZIP archive"), (b"\x1f\x8b", "a file packed with gzip"), (b"7z\xbc\xaf", "a 7z archive"))


def without_mark(content: bytes) -> bytes:
    """The bytes without the mark that some editors put before a text; it changes nothing."""
    return content.removeprefix(codecs.BOM_UTF8)


def what_became(content: bytes, name: str) -> tuple[str, str]:
    """What bytes are that should have been JSON, and what to do; two empty texts where they are JSON.

    `name` is how the file in it is called.
    """
    packed = next((kind for head, kind in _PACKED if content.startswith(head)), "")
    if packed:
        return packed, f"Unpack it, and accept the {name} in it"
    if kind := kind_of(content):
        return kind, _AS_IT_IS
    return _of_text(content.decode(errors="replace"))


def _of_text(text: str) -> tuple[str, str]:
    start = text.strip().lower()
    if not start:
        return "an empty file", _AS_IT_IS
    if start.startswith(_MAIL_HEADS):
        return "a mail", _SAVE_ATTACHMENT
    if start.startswith("<"):
        return "a web page (HTML)", _AS_IT_IS
    if not start.startswith(("{", "[")):
        return "a text of another kind", _AS_IT_IS
    found = _of_json(text)
    return found, _AS_IT_IS if found else ""


def _of_json(text: str) -> str:
    """What is wrong with a text that begins as JSON does; empty where nothing is."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if any(mark in text for mark in _CURLY):
            return "a text whose quotation marks were changed, as word processors and mail programs do"
        if error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated"):
            return "a file whose end is missing"
        return f"a text that was changed or damaged on its way, in line {error.lineno}"
    except RecursionError:
        return "thousands of brackets within one another"
    return ""
