"""A Warehouse page in the Airflow UI: the last nights, how each source stands, which release is up, what failed."""

from __future__ import annotations

from typing import Any

HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem;color:#1d2733;background:#fff;max-width:72rem}
h1{font-size:1.4rem;margin:0 0 .2rem}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #d5dce3;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}caption{text-align:left;color:#4a5866;padding-bottom:.3rem}
.bad{font-weight:600;color:#8f1d14}@media(prefers-color-scheme:dark){body{background:#14191f;color:#e6ebf0}
th,td{border-color:#36414d}caption{color:#a9b6c2}.bad{color:#ff9c8f}}
</style></head><body>"""

PAGE = """<h1>Warehouse · {{ profile }}</h1>
<p>{% if up %}Release {{ up.number }} of night {{ up.night }} is up{% if up.stale_reason %}
 — <span class="bad">stale: {{ up.stale_reason }}</span>{% endif %}.{% else %}Nothing has been released yet.{% endif %}</p>
{% if asked %}<p class="bad">Release {{ asked.number }} waits for an approval: {{ asked.reason }} (<a href="/warehouse/approvals/{{ asked.number }}">what would change</a>)</p>{% endif %}
<h2>Nights</h2><table><caption>The last 14 nights</caption><tr><th scope="col">Night</th><th scope="col">State</th>
<th scope="col" class="n">Release</th><th scope="col" class="n">Seconds</th><th scope="col">Note</th></tr>
{% for n in nights %}<tr><td>{{ n.night }}</td><td{% if n.state in ("failed", "held") %} class="bad"{% endif %}>{{ n.state }}</td>
<td class="n">{{ n.release_number or "–" }}</td><td class="n">{{ n.seconds or "–" }}</td><td>{{ n.note or "" }}</td></tr>{% endfor %}</table>
<h2>Sources</h2><table><caption>Each source's latest visit</caption><tr><th scope="col">Data set</th><th scope="col">Night</th>
<th scope="col">State</th><th scope="col" class="n">Rows</th><th scope="col" class="n">Quarantined</th><th scope="col">Message</th></tr>
{% for s in sources %}<tr><td>{{ s.dataset }}</td><td>{{ s.night }}</td>
<td{% if s.state in ("refused", "late", "failed") %} class="bad"{% endif %}>{{ s.state }}</td><td class="n">{{ s.rows_in }}</td>
<td class="n">{{ s.rows_quarantined }}</td><td>{{ s.message or "" }}</td></tr>{% endfor %}</table>
<h2>Checks that did not pass</h2><p><a href="/warehouse/checks">Every suite, and what its checks found</a></p><table><caption>Of the latest night</caption><tr><th scope="col">Severity</th>
<th scope="col">Status</th><th scope="col">Message</th><th scope="col">Owner</th><th scope="col">Runbook</th></tr>
{% for c in checks %}<tr><td>{{ c.severity }}</td><td>{{ c.status }}</td><td>{{ c.message }}</td><td>{{ c.owner }}</td>
<td>{{ c.runbook }}</td></tr>{% else %}<tr><td colspan="5">None.</td></tr>{% endfor %}</table>"""

SUITES = """<h1>Data Docs</h1><p><a href="/warehouse/">Warehouse</a> · what every suite found on its last night</p>
<table><caption>{{ suites|length }} suites, those that failed first</caption><tr><th scope="col">Suite</th><th scope="col">Border</th>
<th scope="col">Night</th><th scope="col" class="n">Checks</th><th scope="col" class="n">Passed</th><th scope="col" class="n">Warned</th>
<th scope="col" class="n">Failed</th><th scope="col" class="n">Known issues</th><th scope="col">Owner</th></tr>
{% for s in suites %}<tr><th scope="row"><a href="/warehouse/checks/{{ s.suite|urlencode }}">{{ s.suite }}</a></th><td>{{ s.border }}</td>
<td>{{ s.night }}</td><td class="n">{{ s.checks }}</td><td class="n">{{ s.passed }}</td><td class="n">{{ s.warned }}</td>
<td class="n{% if s.failed %} bad{% endif %}">{{ s.failed }}</td><td class="n">{{ s.known }}</td><td>{{ s.owner }}</td></tr>
{% else %}<tr><td colspan="9">No check has run yet.</td></tr>{% endfor %}</table>"""

CHECKS = """<h1>{{ suite }}</h1><p><a href="/warehouse/checks">All suites</a></p>
<table><caption>{{ checks|length }} checks; the last nights from left to right: . passed, k known issue, w warned, F failed</caption>
<tr><th scope="col">Check</th><th scope="col">Severity</th><th scope="col">Last result</th><th scope="col">Expected</th>
<th scope="col">Found</th><th scope="col">Where</th><th scope="col">Nights</th><th scope="col">Owner</th><th scope="col">Runbook</th></tr>
{% for c in checks %}<tr><th scope="row">{{ c.check_name }}{% if c.subject not in suite %} ({{ c.subject }}){% endif %}</th>
<td>{{ c.severity }}</td><td{% if c.status == "fail" %} class="bad"{% endif %}>{{ c.status }} on {{ c.night }}</td>
<td>{{ c.expected }}</td><td>{{ c.found }}</td><td>{{ c.location or "" }}</td>
<td><code title="{{ c.nights|first }} to {{ c.nights|last }}">{% for s in c.statuses %}{{ signs[s] }}{% endfor %}</code></td>
<td>{{ c.owner }}</td><td>{{ c.runbook }}</td></tr>{% endfor %}</table>"""
SIGNS = {"pass": ".", "known": "k", "warn": "w", "fail": "F"}


def make_app() -> Any:
    """The page as a FastAPI app; whoever is signed in to Airflow may look."""
    from airflow.api_fastapi.core_api.security import get_user
    from cityperf.config import Settings
    from cityperf.night import board
    from cityperf.publish.difference_page import path_of
    from cityperf.quality import docs
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import HTMLResponse
    from jinja2 import Environment

    html = Environment(autoescape=True)
    warehouse, suites, checks = (
        html.from_string(HEAD + each + "</body></html>") for each in (PAGE, SUITES, CHECKS)
    )
    app = FastAPI(title="Warehouse", dependencies=[Depends(get_user)])

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        return warehouse.render(title="Warehouse", **board(Settings.from_env()))

    @app.get("/checks", response_class=HTMLResponse)
    def all_suites() -> str:
        return suites.render(title="Data Docs", suites=docs.suites(Settings.from_env()))

    @app.get("/checks/{suite}", response_class=HTMLResponse)
    def one_suite(suite: str) -> str:
        found = docs.checks(Settings.from_env(), suite)
        if not found:
            raise HTTPException(
                404, f"expected a suite that ran in the last {docs.NIGHTS} nights, found {suite!r}"
            )
        return checks.render(title=suite, suite=suite, checks=found, signs=SIGNS)

    @app.get("/approvals/{number}", response_class=HTMLResponse)
    def difference(number: int) -> str:
        path = path_of(Settings.from_env(), number)
        if not path.is_file():
            raise HTTPException(
                404, f"expected a release that is or was held, found none with number {number}"
            )
        return path.read_text("utf-8")

    return app
