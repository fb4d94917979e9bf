import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hero_core.view.document import Document, ShownMotion, ShownSample, ShownTable
from hero_core.view.html import BUNDLE, page_html, script_json, write_page
from tests.hero_core.view.motions import walk

WEB = Path(__file__).resolve().parents[3] / "web"
HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>'\"&\u2028"


class Reader(HTMLParser):
    """The scripts of a page, its title and all elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.scripts: list[str] = []
        self.policy = self.title = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        if tag == "script":
            self.scripts.append("")
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"]

    def handle_endtag(self, tag):
        self.elements.append(f"/{tag}")

    def handle_data(self, data):
        if self.elements and self.elements[-1] == "script":
            self.scripts[-1] += data
        if self.elements and self.elements[-1] == "title":
            self.title += data


def hostile_document() -> Document:
    motion = ShownMotion(HOSTILE, walk(8))
    sample = ShownSample(HOSTILE, HOSTILE, [motion], HOSTILE, [(HOSTILE, HOSTILE)])
    return Document(
        HOSTILE, [sample], HOSTILE, [HOSTILE], tables=[ShownTable(HOSTILE, [HOSTILE], [[HOSTILE]])]
    )


def test_no_text_becomes_markup_or_script():
    read = Reader(page_html(hostile_document()))
    assert (read.elements.count("script"), read.elements.count("img")) == (2, 0)
    data, bundle = read.scripts
    assert json.loads(data)["samples"][0]["title"] == HOSTILE
    assert bundle == BUNDLE.read_text(encoding="utf-8")
    assert "<" not in data
    assert read.title.startswith("</script>")


def test_the_policy_lets_the_bundle_run_and_nothing_else():
    read = Reader(page_html(hostile_document()))
    digest = base64.b64encode(hashlib.sha256(read.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in read.policy
    assert read.policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in read.policy


def test_json_in_a_script_keeps_its_meaning():
    values = {"a": HOSTILE, "b": [1, None, True]}
    text = script_json(values)
    assert json.loads(text) == values
    assert not re.search("[<>&\u2028\u2029]", text)
    with pytest.raises(ValueError, match="JSON"):
        script_json(float("nan"))


def test_the_same_document_gives_the_same_bytes(tmp_path):
    write_page(tmp_path / "a.html", hostile_document())
    write_page(tmp_path / "b.html", hostile_document())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_the_bundle_is_the_one_that_was_recorded_and_holds_the_licence():
    record = json.loads(BUNDLE.with_suffix(".json").read_text())
    bundle = BUNDLE.read_bytes()
    assert hashlib.sha256(bundle).hexdigest() == record["sha256"]
    assert len(bundle) < 1_000_000
    head = bundle[:2000].decode()
    assert f"three.js {record['three']}" in head
    assert "Permission is hereby granted" in head
    assert b"</script" not in bundle.lower()
    assert b"<!--" not in bundle


def test_the_bundle_was_made_of_these_sources():
    """After a change in web/: make web."""
    made = hashlib.sha256()
    names = sorted(path.name for path in (WEB / "src").iterdir())
    for name in ("package-lock.json", "build.mjs", *(f"src/{each}" for each in names)):
        digest = hashlib.sha256((WEB / name).read_bytes()).hexdigest()
        made.update(f"{name}\0{digest}\n".encode())
    record = json.loads(BUNDLE.with_suffix(".json").read_text())
    assert made.hexdigest() == record["sources_sha256"]
