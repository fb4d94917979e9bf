"""The page as one HTML file that needs no server: the viewer's bundle, and what it shows as data that never runs."""

import base64
import hashlib
import html
import json
from functools import cache
from pathlib import Path
from typing import Any

from hero_core.storage import write_text
from hero_core.view.document import Document, document_json

BUNDLE = Path(__file__).parent / "bundle" / "viewer.js"
"""Made by ``make web`` of the sources in ``web/``."""

# In JSON, these can only stand inside strings, and there an escape means the same.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="hero-motion">
<title>{title}</title>
<link rel="icon" href="data:,">
</head>
<body>
<noscript>This page shows motions in three dimensions and needs JavaScript.</noscript>
<script type="application/json" id="reactions">{data}</script>
<script>{bundle}</script>
</body>
</html>
"""


def page_html(document: Document) -> str:
    """The whole page. The same document gives the same bytes.

    Titles, keys and paths may hold anything: they are data of a script that does not run, and the page's policy lets
    no script run but the bundle, and nothing be fetched.
    """
    bundle = _bundle()
    digest = base64.b64encode(hashlib.sha256(bundle.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: blob:; "
        "media-src blob:; base-uri 'none'; form-action 'none'"
    )
    return _PAGE.format(
        policy=policy,
        title=html.escape(document.title),
        data=script_json(document_json(document)),
        bundle=bundle,
    )


def write_page(path: Path, document: Document) -> None:
    """Write the page; it appears complete or not at all."""
    write_text(path, page_html(document))


def script_json(values: Any) -> str:
    """JSON that can stand in a ``<script>``: no sign in it ends or begins anything in HTML."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


@cache
def _bundle() -> str:
    return BUNDLE.read_text(encoding="utf-8")
