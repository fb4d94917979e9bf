"""For the site: its front page is the README, and a link to a file outside of docs/ is only that file's name."""

import re
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by mkdocs for every page before it is rendered."""
    if page.file.src_uri == "index.md":
        markdown = (_ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    inside = {path.name for path in (_ROOT / "docs").iterdir()}
    return _LINK.sub(lambda found: found[0] if found[2] in inside else found[1], markdown)
