"""Reads samples of reports as their readers do: `python formats.py FOLDER JSON_SCHEMA JUNIT_XSD`. Says what it skips."""

import csv
import html.parser
import importlib
import json
import re
import sys
from pathlib import Path

SAMPLES = Path(sys.argv[1])
# What drives a terminal, hides text or turns it.
HOSTILE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def samples(ending: str):
    found = sorted(SAMPLES.glob(f"*.{ending}"))
    assert len(found) >= 6, f"too few samples of {ending}: {found}"
    for path in found:
        text = path.read_bytes().decode()
        assert not HOSTILE.search(text.replace("\r\n", "\n")), f"{path.name} has what drives a terminal"
        yield path, text


def read_json() -> None:
    jsonschema = importlib.import_module("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(Path(sys.argv[2]).read_text()))
    for path, text in samples("json"):
        for error in validator.iter_errors(json.loads(text)):
            sys.exit(f"{path.name}: {error.json_path}: {error.message[:300]}")


def read_junit() -> None:
    etree = importlib.import_module("lxml.etree")
    xsd = Path(sys.argv[3])
    if not xsd.exists():
        raise ImportError(f"there is no {xsd.name}")
    schema = etree.XMLSchema(etree.parse(xsd))
    for path, text in samples("xml"):
        document = etree.fromstring(text.encode())
        for case in document.iter("testcase"):
            # GitLab, CircleCI and pytest know them, the schema does not.
            for further in ("file", "line"):
                case.attrib.pop(further, None)
        if not schema.validate(document):
            sys.exit(f"{path.name}: {schema.error_log[0]}")


def read_prometheus() -> None:
    parser = importlib.import_module("prometheus_client.parser")
    for path, text in samples("prom"):
        families = list(parser.text_string_to_metric_families(text))
        unnamed = [family.name for family in families if not family.name.startswith("kedrctl_") or not family.documentation]
        assert families and not unnamed, f"{path.name}: {unnamed}"


class Elements(html.parser.HTMLParser):
    """Which elements there are, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def read_markdown() -> None:
    cmarkgfm = importlib.import_module("cmarkgfm")
    from cmarkgfm.cmark import Options

    for path, text in samples("md"):
        assert len(text) < 65_000, f"{path.name} is too long for a comment"
        # With markup let through, as a code host does before it cleans: no text of others may be any.
        shown = Elements()
        shown.feed(cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE))
        ours = {"h3", "h4", "p", "strong", "em", "ul", "ol", "li", "code", "table", "thead", "tbody", "tr", "th", "td",
                "details", "summary", "br", "hr", "b", "sub"}
        assert shown.names <= ours, f"{path.name}: {shown.names - ours}"
        assert not shown.links, f"{path.name}: {shown.links}"
        # Outside of code a code host would notify somebody.
        outside = re.sub(r"<code>.*?</code>", "", cmarkgfm.github_flavored_markdown_to_html(text), flags=re.DOTALL)
        assert "@everyone" not in outside, f"{path.name} mentions somebody"


def read_csv() -> None:
    for path, text in samples("csv"):
        rows = list(csv.reader(text.splitlines(keepends=True), strict=True))
        assert len(rows) > 1 and {len(row) for row in rows} == {len(rows[0])}, f"{path.name} is no table"
        formula = [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@")]
        assert not formula, f"{path.name}: {formula[0]}"


for name, read in {
    "JSON by jsonschema": read_json,
    "JUnit by Jenkins' schema": read_junit,
    "gauges by Prometheus' parser": read_prometheus,
    "Markdown by GitHub's parser": read_markdown,
    "CSV by Python": read_csv,
}.items():
    try:
        read()
    except ImportError as missing:
        print(f"   skipped: {name}: {missing}")
    else:
        print(f"   {name}")
for _ in samples("txt"):
    pass
