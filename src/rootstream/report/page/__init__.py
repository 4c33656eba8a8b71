"""Pages about a build or a comparison: one HTML file that needs no network and may not use one.

Names of packages and files are anybody's. They travel as JSON, which cannot end its script element, and the page
only ever shows them as text; its policy allows nothing but its own scripts and style, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from rootstream import __version__

LIBRARY = "echarts.min.js"
SCRIPTS = (
    LIBRARY, "dom.js", "tables.js", "charts.js", "sizes.js", "timeline.js", "graph.js", "boots.js", "audit.js",
    "licenses.js", "changes.js", "main.js",
)  # fmt: skip
STYLE = "style.css"
_TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<div><h1>{title}</h1><p class="note">{subtitle}</p></div>
<nav aria-label="Sections" id="sections"></nav>
</header>
<noscript><p class="gone">This page needs JavaScript. `rootstream` prints the same as text.</p></noscript>
<main id="content" tabindex="-1"></main>
<footer class="note">Written by Rootstream {version}, without a network. Charts by Apache ECharts.</footer>
<script type="application/json" id="data">{data}</script>
{scripts}
</body>
</html>
"""


def page(title: str, subtitle: str, sections: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a page; each section has `kind`, `title`, and `data`, or `missing`: why there is none."""
    style = _text(STYLE)
    scripts = [_text(name) for name in SCRIPTS]
    policy = (
        f"default-src 'none'; script-src {' '.join(map(_source, scripts))}; style-src {_source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    words = {
        "policy": policy,
        "title": html.escape(title),
        "subtitle": html.escape(subtitle),
        "style": style,
        "version": html.escape(__version__),
        "data": json.dumps({"sections": list(sections)}, separators=(",", ":")).replace("<", "\\u003c"),
        "scripts": "\n".join(f"<script>{each}</script>" for each in scripts),
    }
    return _TEMPLATE.format_map(words).encode("utf-8", "replace")


@cache
def _text(name: str) -> str:
    return (resources.files(__name__) / "static" / name).read_text("utf-8")


def _source(text: str) -> str:
    """Return what the policy calls a script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
