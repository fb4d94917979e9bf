"""For the site: its front page is the README, the notebook is a page, links to what is not there are only names."""

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")
_TOUR = "tour.ipynb"


def on_files(files: Files, config: Any) -> Files:
    """Called by mkdocs before it reads pages."""
    notebook = json.loads((_ROOT / "docs" / _TOUR).read_text(encoding="utf-8"))
    files.append(File.generated(config, Path(_TOUR).with_suffix(".md").name, content=_markdown(notebook)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by mkdocs for every page before it is rendered."""
    if page.file.src_uri == "index.md":
        markdown = (_ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    inside = {path.name for path in (_ROOT / "docs").iterdir()}
    return _LINK.sub(lambda found: found[0] if found[2] in inside else found[1], markdown)


def _markdown(notebook: dict[str, Any]) -> str:
    """A notebook's cells as a page; what they print is not kept in it."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    return "\n\n".join(f"```python\n{text}\n```" if kind == "code" else text for kind, text in cells)
