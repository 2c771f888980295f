"""A Warehouse page in the Airflow UI: the last nights, how each source stands, which release is up, what failed."""

from __future__ import annotations

from typing import Any

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Warehouse</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem;color:#1d2733;background:#fff;max-width:72rem}
h1{font-size:1.4rem;margin:0 0 .2rem}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #d5dce3;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}caption{text-align:left;color:#4a5866;padding-bottom:.3rem}
.bad{font-weight:600;color:#8f1d14}@media(prefers-color-scheme:dark){body{background:#14191f;color:#e6ebf0}
th,td{border-color:#36414d}caption{color:#a9b6c2}.bad{color:#ff9c8f}}
</style></head><body><h1>Warehouse · {{ profile }}</h1>
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
<h2>Checks that did not pass</h2><table><caption>Of the latest night</caption><tr><th scope="col">Severity</th>
<th scope="col">Status</th><th scope="col">Message</th><th scope="col">Owner</th><th scope="col">Runbook</th></tr>
{% for c in checks %}<tr><td>{{ c.severity }}</td><td>{{ c.status }}</td><td>{{ c.message }}</td><td>{{ c.owner }}</td>
<td>{{ c.runbook }}</td></tr>{% else %}<tr><td colspan="5">None.</td></tr>{% endfor %}</table></body></html>"""


def make_app() -> Any:
    """The page as a FastAPI app; whoever is signed in to Airflow may look."""
    from airflow.api_fastapi.core_api.security import get_user
    from cityperf.config import Settings
    from cityperf.night import board
    from cityperf.publish.difference_page import path_of
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import HTMLResponse
    from jinja2 import Environment

    template = Environment(autoescape=True).from_string(PAGE)
    app = FastAPI(title="Warehouse", dependencies=[Depends(get_user)])

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        return template.render(**board(Settings.from_env()))

    @app.get("/approvals/{number}", response_class=HTMLResponse)
    def difference(number: int) -> str:
        path = path_of(Settings.from_env(), number)
        if not path.is_file():
            raise HTTPException(
                404, f"expected a release that is or was held, found none with number {number}"
            )
        return path.read_text("utf-8")

    return app
