"""How long Airflow takes to parse the DAG folder with 50 sources: python tests/benchmarks/bench_dags.py

Copies the project's contracts until there are 50, in a temporary tree, and times Airflow's own DagBag, best of five.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
WANTED = 50


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in ("dags", "plugins", "include", "dbt_project", "docs"):
            shutil.copytree(
                ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "target", "logs")
            )
        contracts = sorted((tree / "include" / "sources").rglob("*.yml"))
        for n in range(WANTED - len(contracts)):
            original = contracts[n % len(contracts)]
            text = original.read_text().replace(
                f"dataset: {original.stem}", f"dataset: {original.stem}_copy{n}", 1
            )
            (original.parent / f"{original.stem}_copy{n}.yml").write_text(text)
        os.environ.update(
            AIRFLOW_HOME=str(tree / "airflow"),
            AIRFLOW__CORE__LOAD_EXAMPLES="False",
            AIRFLOW__CORE__PLUGINS_FOLDER=str(tree / "plugins"),
            AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{tree}/airflow.db",
        )
        sys.path[:0] = [str(tree / "include"), str(tree / "plugins")]
        from airflow.dag_processing.dagbag import DagBag

        times = []
        for _ in range(5):
            began = time.monotonic()
            bag = DagBag(tree / "dags")
            times.append(time.monotonic() - began)
            assert not bag.import_errors, bag.import_errors
        sources = sum(name.startswith("source__") for name in bag.dags)
        print(f"{sources} source DAGs and the night: first parse {times[0]:.2f} s, best {min(times):.2f} s")


if __name__ == "__main__":
    main()
