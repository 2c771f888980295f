"""axe in the browser: what breaks WCAG 2.1 AA on the page that is open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


def violations(page: Any) -> list[str]:
    """One line for each rule that is broken: its id, what it asks, and the first places."""
    page.execute_script(AXE)
    found = page.execute_async_script(
        "const done = arguments[1]; axe.run({runOnly: arguments[0]}).then(r => done(r.violations))", RULES
    )
    return [
        f"{each['id']}: {each['help']}; " + ", ".join(str(node["target"][0]) for node in each["nodes"][:3])
        for each in found
    ]
