"""`kpi new`: the two files of a KPI, ready for `kpi check`. A person writes the definition and the arithmetic."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cityperf.errors import CityperfError
from cityperf.marked import hint, read_yaml, shown_path
from cityperf.registry import Registry, read_objectives
from cityperf.registry.definition import TO_WRITE, Dimension
from cityperf.registry.lineage import PROJECT
from cityperf.sources import CONTRACTS, read_contract

# What a new KPI of a dimension most likely is; the person who writes it knows better.
USUAL: Final[dict[str, tuple[str, str, str]]] = {  # report section, objective, measure type
    "service_delivery": ("customer_service", "serve_on_time", "service_level"),
    "customer_service": ("customer_service", "satisfy_residents", "customer_service"),
    "quality_of_life": ("accountability_transparency_openness", "safe_and_liveable", "community_impact"),
    "neighbourhood": ("accountability_transparency_openness", "safe_and_liveable", "community_impact"),
    "corporate_performance": ("accountability_transparency_openness", "improve_processes", "efficiency"),
}
_DAY_TYPES: Final = ("date", "timestamp", "timestamp without time zone", "timestamptz")


class NotDrafted(CityperfError):
    """A KPI of that id, name or source cannot be made."""


@dataclass(frozen=True)
class Draft:
    """Two files that are not there yet."""

    sql_path: Path
    sql: str
    yaml_path: Path
    yaml: str

    def write(self) -> None:
        """Raises FileExistsError where one of the files is there already; then neither is written."""
        for path in (self.sql_path, self.yaml_path):
            if path.exists():
                raise FileExistsError(f"expected no file {path.name} yet, found one; it was left as it is")
        self.sql_path.parent.mkdir(exist_ok=True)
        for path, text in ((self.sql_path, self.sql), (self.yaml_path, self.yaml)):
            with path.open("x", encoding="utf-8") as file:
                file.write(text)


def draft(
    registry: Registry,
    kpi_id: str,
    dimension: Dimension,
    name_en: str,
    name_fr: str,
    dataset: str,
    objective: str | None = None,
    project_folder: Path = PROJECT,
    contracts: Path = CONTRACTS,
) -> Draft:
    """The two files of a proposed KPI that counts the rows of `dataset` by month.

    Raises NotDrafted with what is wrong and what to do: an id or a name that is taken or of the wrong form, a data
    set without a contract or a staging model, an objective that the seed has not.
    """
    if not re.fullmatch(r"[A-Z0-9][A-Z0-9-]+", kpi_id):
        raise NotDrafted(
            f"expected an id of capitals, digits and hyphens, such as CS-311-02, found {kpi_id!r}"
        )
    if kpi_id in registry.kpis:
        taken = registry.kpis[kpi_id]
        raise NotDrafted(
            f"the id {kpi_id} is taken by {shown_path(taken.yaml, project_folder)}:{taken.line}; choose another"
        )
    if not name_en.strip() or not name_fr.strip():
        raise NotDrafted("expected a name in English (--name) and in French (--name-fr), found nothing")
    for entry in registry.kpis.values():
        if entry.definition.name.en.casefold() == name_en.casefold():
            raise NotDrafted(f"the name {name_en!r} is taken by {entry.definition.id}; choose another")
    model = _snake(name_en)
    if not re.match(r"[a-z]", model):
        raise NotDrafted(
            f"expected a name that begins with a letter, since files are named after it: {name_en!r}"
        )
    if model in registry.project.models or model in registry.project.seeds:
        raise NotDrafted(f"a model is named {model} already; choose another name")
    if dataset not in registry.project.datasets:
        raise NotDrafted(
            f"no contract is named {dataset}{hint(dataset, sorted(registry.project.datasets))}; see ./cityperf source list"
        )
    known = [row["objective"] for row in read_objectives(project_folder)]
    section, usual_objective, measure_type = USUAL[dimension]
    chosen = objective or usual_objective
    if chosen not in known:
        raise NotDrafted(f"{chosen!r} is not in seeds/objectives.csv{hint(chosen, known)}")
    file = next(iter(contracts.rglob(f"{dataset}.yml")))
    contract = read_contract(file)
    staging = _staging_of(registry, dataset)
    folder = project_folder / "models" / "kpis" / dimension
    facts = _Facts(
        kpi_id, model, dimension, name_en.strip(), name_fr.strip(), dataset, section, chosen, measure_type,
        contract.owner.division, contract.owner.steward, contract.privacy.level, file.parent.name,
    )  # fmt: skip
    return Draft(
        folder / f"{model}.sql",
        _sql(facts, staging, _day_column(registry.project.models[staging])),
        folder / f"{model}.yml",
        _yaml(facts),
    )


@dataclass(frozen=True)
class _Facts:
    kpi_id: str
    model: str
    dimension: str
    name_en: str
    name_fr: str
    dataset: str
    section: str
    objective: str
    measure_type: str
    owner: str
    steward: str
    privacy: str
    tag: str


def _staging_of(registry: Registry, dataset: str) -> str:
    for name, path in registry.project.models.items():
        if "staging" in path.parts and f"'{dataset}'" in path.read_text("utf-8"):
            return name
    raise NotDrafted(f"no staging model reads {dataset}; write it first (./cityperf source new drafts one)")


def _day_column(staging: Path) -> str | None:
    """The first column of the staging model that is a day or a moment of the source's, by the model's YAML."""
    for file in sorted(staging.parent.glob("*.yml")):
        if staging.stem not in (text := file.read_text("utf-8")):
            continue
        for model in read_yaml(text).get("models") or []:
            if model["name"] == staging.stem:
                for column in model.get("columns") or []:
                    if column.get("data_type") in _DAY_TYPES and not column["name"].startswith("_"):
                        return str(column["name"])
    return None


def _sql(facts: _Facts, staging: str, day: str | None) -> str:
    head = [f"-- {TO_WRITE['en']}: what is counted, and what is left out and why."]
    if day is None:
        head += [
            f"-- {staging} has no column with a day: say how a row gets its month,",
            "-- and take `where false` out.",
        ]
    lines = [
        *head,
        "with records as (",
        f"    select * from {{{{ ref('{staging}') }}}}",  # noqa: S608 - the name of a model, in a file for review
        f"    where {day} is not null" if day else "    where false",
        ")",
        "",
        "select",
        f"    '{facts.kpi_id}' as kpi_id,",
        f"    date_trunc('month', {day})::date as period_start,"
        if day
        else "    null::date as period_start,",
        "    'month' as period_grain,",
        "    'city' as geography_type,",
        "    'toronto' as geography_code,",
        "    count(*)::numeric as numerator,",
        "    null::numeric as denominator",
        "from records",
        "group by 2",
    ]
    return "\n".join(lines) + "\n"


def _yaml(facts: _Facts) -> str:
    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    return f"""models:
  - name: {facts.model}
    description: {quoted(facts.name_en + ", by month.")}
    config:
      tags: [{facts.tag}]
      meta:
        owner: {quoted(facts.owner)}
        kpi:
          id: {facts.kpi_id}
          name:
            en: {quoted(facts.name_en)}
            fr: {quoted(facts.name_fr)}
          definition:
            en: "{TO_WRITE["en"]}: what is counted, divided by what, from which data, and what is left out."
            fr: "{TO_WRITE["fr"]} : ce qui est compté, divisé par quoi, à partir de quelles données, et ce qui est exclu."
          dimension: {facts.dimension}
          report_section: {facts.section}
          objective: {facts.objective}
          measure_type: {facts.measure_type}
          logic_level: output
          unit: number
          decimals: 0
          direction: none
          interval: month
          flow: true
          thresholds: {{period: 0.02, year: 0.02, target: 0.01}}
          target_type: none
          multiplier: 1
          owner: {quoted(facts.owner)}
          steward: {quoted(facts.steward)}
          sources: [{facts.dataset}]
          privacy_class: {facts.privacy}
          lifecycle: {{state: proposed}}
          version: 1
          suitable_for_signals: true
"""


def _snake(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:60].rstrip("_")
