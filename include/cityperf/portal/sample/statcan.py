"""Statistics Canada's Web Data Service with invented series for the vectors that the warehouse asks for.

Points carry their own release time, revised points a later one; answers come in the order of coordinates; a
vector that is not here is an item with status FAILED; dates without news give empty lists.
"""

from __future__ import annotations

import csv
import functools
import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from cityperf.portal import sdmx, wds
from cityperf.portal.answers import Answer, Ask, file_answer, json_answer
from cityperf.portal.sample import statcan_products, statcan_tables
from cityperf.portal.sample.world import World, at, first_of_month

_MONTHLY, _ANNUAL = 6, 12


@dataclass(frozen=True)
class Series:
    """One vector. `value` gives the final figure of the n-th period since `start`."""

    vector: int
    product: int
    coordinate: str
    title_en: str
    title_fr: str
    geography: str
    uom: tuple[str, int]
    start: date
    value: Callable[[World, int, int], float]
    frequency: int = _MONTHLY
    decimals: int = 1
    scalar: int = 0
    lag: int = 48  # days from the start of the reference period to its release
    revised: bool = False

    def padded(self) -> str:
        return ".".join((self.coordinate.split(".") + ["0"] * 10)[:10])


def _prices(level: float, drift: float) -> Callable[[World, int, int], float]:
    """A price index: steady growth, a bout of inflation from 2021 to 2023, a little season and noise."""

    def value(world: World, vector: int, n: int) -> float:
        years = n / 12
        bout = 0.085 / (1 + math.exp(-(years - 21.9) * 2.2))
        season = 0.004 * math.sin(2 * math.pi * (n % 12) / 12)
        return level * math.exp(drift * years + bout) * (1 + season + 0.0015 * world.bell("cpi", vector, n))

    return value


def _rate(level: float, swing: float, shock: float) -> Callable[[World, int, int], float]:
    """A percentage that moves in cycles and jumps in the spring of 2020."""

    def value(world: World, vector: int, n: int) -> float:
        years = n / 12
        since = years - 19.3
        jump = shock * math.exp(-since / 0.8) if since >= 0 else 0.0
        cycle = swing * math.sin(2 * math.pi * years / 9 + 1)
        return level + cycle + jump + 0.12 * world.bell("rate", vector, n)

    return value


def _growing(level: float, growth: float, noise: float) -> Callable[[World, int, int], float]:
    def value(world: World, vector: int, n: int) -> float:
        per_year = 12 if noise else 1
        return level * math.exp(growth * n / per_year) * (1 + noise * world.bell("level", vector, n))

    return value


_INDEX: Final = ("2002=100", 17)
_PERCENT: Final = ("Percentage", 242)
_PERSONS: Final = ("Persons", 249)
_JAN_2001: Final = date(2001, 1, 1)
SERIES: Final = {
    s.vector: s
    for s in (
        Series(
            41690973,
            18100004,
            "2.2",
            "Canada;All-items",
            "Canada;Ensemble",
            "Canada",
            _INDEX,
            _JAN_2001,
            _prices(97.0, 0.0172),
        ),
        Series(
            41692888,
            18100004,
            "16.2",
            "Toronto, Ontario;All-items",
            "Toronto, Ontario;Ensemble",
            "Toronto, Ontario",
            _INDEX,
            _JAN_2001,
            _prices(97.2, 0.0178),
        ),
        Series(
            41692457,
            18100004,
            "23.287",
            "Alberta;Energy",
            "Alberta;Énergie",
            "Alberta",
            _INDEX,
            _JAN_2001,
            _prices(105.0, 0.024),
        ),
        Series(
            1999000001,
            14100459,
            "26.7.1.1",
            "Toronto, Ontario;Unemployment rate",
            "Toronto, Ontario;Taux de chômage",
            "Toronto, Ontario",
            _PERCENT,
            _JAN_2001,
            _rate(7.0, 0.9, 7.5),
            lag=37,
            revised=True,
        ),
        Series(
            1999000002,
            14100459,
            "26.9.1.1",
            "Toronto, Ontario;Employment rate",
            "Toronto, Ontario;Taux d'emploi",
            "Toronto, Ontario",
            _PERCENT,
            _JAN_2001,
            _rate(61.5, 0.8, -8.0),
            lag=37,
            revised=True,
        ),
        Series(
            1999000003,
            14100459,
            "26.3.1.1",
            "Toronto, Ontario;Employment",
            "Toronto, Ontario;Emploi",
            "Toronto, Ontario",
            _PERSONS,
            _JAN_2001,
            _growing(2450.0, 0.0148, 0.003),
            scalar=3,
            lag=37,
            revised=True,
        ),
        Series(
            1999000004,
            17100148,
            "30.1.1",
            "Toronto (CMA), Ontario;Total - gender;All ages",
            "Toronto (RMR), Ontario;Total - genre;Tous les âges",
            "Toronto (CMA), Ontario",
            _PERSONS,
            _JAN_2001,
            _growing(4_900_000, 0.0152, 0.0),
            frequency=_ANNUAL,
            decimals=0,
            lag=196,
        ),
        Series(
            74804,
            23100216,
            "1.2.1",
            "Canada;Rail carloadings",
            "Canada;Chargements ferroviaires",
            "Canada",
            ("Number", 223),
            date(2010, 1, 1),
            _growing(250_000, 0.004, 0.05),
            decimals=0,
            lag=57,
            revised=True,
        ),
    )
}
_TITLES: Final = {
    18100004: (
        "Consumer Price Index, monthly, not seasonally adjusted",
        "Indice des prix à la consommation mensuel, non désaisonnalisé",
    ),
    14100459: (
        "Labour force characteristics by census metropolitan area, three-month moving average",
        "Caractéristiques de la population active selon la région métropolitaine de recensement",
    ),
    17100148: (
        "Population estimates, July 1, by census metropolitan area",
        "Estimations de la population au 1er juillet, selon la région métropolitaine de recensement",
    ),
    23100216: (
        "Railway carloadings statistics, monthly",
        "Statistiques sur les chargements ferroviaires, mensuel",
    ),
}


def answer(world: World, ask: Ask) -> Answer | None:
    """The service's answer as of the night; None when the address is not one of its calls."""
    if ask.host != wds.HOST:
        return None
    if ask.path.startswith(f"{sdmx.ROOT}/"):
        return sdmx.answer(ask, statcan_tables.dataflows(world, ask.night))
    whole = wds.table_answer(ask, statcan_products.tables(world, ask.night))
    if whole is not None:
        return whole
    if ask.path.startswith(wds.ZIPS):
        return _table_zip(world, ask)
    if not ask.path.startswith(f"{wds.ROOT}/"):
        return None
    action, *arguments = ask.path.removeprefix(f"{wds.ROOT}/").strip("/").split("/")
    try:
        return _call(world, ask, action, arguments)
    except (ValueError, KeyError, TypeError) as error:
        return json_answer({"message": f"{action}: {error}"}, status=406)


def _call(world: World, ask: Ask, action: str, arguments: list[str]) -> Answer | None:
    body = ask.json()
    match action:
        case "getDataFromVectorsAndLatestNPeriods":
            items = [
                wds.latest_n(item(world, SERIES[v], ask.night), n) if v in SERIES else wds.failed(v)
                for v, n in wds.requests_for(body)
            ]
            return json_answer(wds.in_service_order(items))
        case "getBulkVectorDataByRange":
            start, end = str(body["startDataPointReleaseDate"]), str(body["endDataPointReleaseDate"])
            vectors = [wds.vector_id(v) for v in body["vectorIds"]]
            items = [
                wds.released_between(item(world, SERIES[v], ask.night), start, end)
                if v in SERIES
                else wds.failed(v)
                for v in vectors
            ]
            return json_answer(wds.in_service_order(items))
        case "getSeriesInfoFromVector":
            vectors = [wds.vector_id(entry["vectorId"]) for entry in body]
            items = [wds.success(_info(SERIES[v])) if v in SERIES else wds.failed(v) for v in vectors]
            return json_answer(wds.in_service_order(items))
        case "getCubeMetadata":
            products = [int(entry["productId"]) for entry in body]
            tables = statcan_products.tables(world, ask.night)
            return json_answer(
                [
                    wds.success(dict(tables[p].cube)) if p in tables else _cube(world, p, ask.night)
                    for p in products
                ]
            )
        case "getChangedCubeList" | "getChangedSeriesList":
            day = date.fromisoformat(arguments[0]) if arguments else ask.night
            cubes = action == "getChangedCubeList"
            whole = statcan_products.tables(world, ask.night) if cubes and day <= ask.night else {}
            changed = _changed(world, day, ask.night, cubes=cubes)
            return json_answer(wds.success([*changed, *wds.changed_on(whole, day.isoformat())]))
        case "getFullTableDownloadCSV":
            language = {"en": "eng", "fr": "fra"}[arguments[1] if len(arguments) > 1 else "en"]
            return json_answer(
                wds.success(f"https://{wds.HOST}/n1/tbl/csv/{int(arguments[0])}-{language}.zip")
            )
        case "getFullTableDownloadSDMX":
            return json_answer(wds.success(f"https://{wds.HOST}/n1/tbl/sdmx/{int(arguments[0])}-SDMX.zip"))
        case "getCodeSets":
            return json_answer(wds.success(_CODE_SETS))
    return None


@functools.lru_cache(maxsize=64)
def item(world: World, series: Series, night: date) -> wds.Item:
    """The series with every point released by the morning of the night."""
    points = []
    n = 0
    while True:
        reference = _period(series, n)
        released = _release_day(series, reference)
        if released > night:
            break
        value, revised_on = _as_of(world, series, n, reference, released, night)
        text = reference.isoformat()
        points.append(
            {
                "refPer": text,
                "refPer2": "",
                "refPerRaw": text,
                "refPerRaw2": "",
                "value": value,
                "decimals": series.decimals,
                "scalarFactorCode": series.scalar,
                "symbolCode": 0,
                "statusCode": 0,
                "securityLevelCode": 0,
                "releaseTime": f"{revised_on.isoformat()}T08:30",
                "frequencyCode": series.frequency,
            }
        )
        n += 1
    entry = {
        "responseStatusCode": 0,
        "productId": series.product,
        "coordinate": series.padded(),
        "vectorId": series.vector,
        "vectorDataPoint": points,
    }
    return wds.success(entry)


def _period(series: Series, n: int) -> date:
    if series.frequency == _ANNUAL:
        return date(series.start.year + n, 7, 1)
    return first_of_month(series.start.year, series.start.month + n)


def _release_day(series: Series, reference: date) -> date:
    day = reference + timedelta(days=series.lag)
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)


def _as_of(
    world: World, series: Series, n: int, reference: date, released: date, night: date
) -> tuple[float, date]:
    """(value, day of the release that it comes from): two monthly revisions where the series has any."""
    value = series.value(world, series.vector, n)
    came = released
    if series.revised:
        steps = [
            released,
            *(_release_day(series, first_of_month(reference.year, reference.month + k)) for k in (1, 2)),
        ]
        out = [day for day in steps if day <= night]
        came = out[-1]
        value *= 1 + 0.004 * world.bell("statcan revision", series.vector, n, len(out)) / len(out)
    elif series.frequency == _ANNUAL:
        # Postcensal figures are revised once, with the next year's release.
        again = _release_day(series, _period(series, n + 1))
        if again <= night:
            came = again
        else:
            value *= 1 + 0.003 * world.bell("postcensal", series.vector, n)
    return round(value, series.decimals), came


def _info(series: Series) -> dict[str, Any]:
    return {
        "responseStatusCode": 0,
        "productId": series.product,
        "coordinate": series.padded(),
        "vectorId": series.vector,
        "frequencyCode": series.frequency,
        "scalarFactorCode": series.scalar,
        "decimals": series.decimals,
        "terminated": 0,
        "SeriesTitleEn": series.title_en,
        "SeriesTitleFr": series.title_fr,
        "memberUomCode": series.uom[1],
    }


def _cube(world: World, product: int, night: date) -> wds.Item:
    members = [s for s in SERIES.values() if s.product == product]
    if not members:
        failure = {"responseStatusCode": 1, "productId": str(product)}
        return {"status": "FAILED", "object": failure}
    points = [p for s in members for p in item(world, s, night)["object"]["vectorDataPoint"]]
    periods = sorted(p["refPer"] for p in points)
    english, french = _TITLES[product]
    geography = [
        {
            "memberId": int(s.coordinate.split(".")[0]),
            "parentMemberId": None,
            "memberNameEn": s.geography,
            "memberNameFr": s.title_fr.split(";")[0],
            "classificationCode": None,
            "classificationTypeCode": "1",
            "geoLevel": 503,
            "vintage": 2021,
            "terminated": 0,
            "memberUomCode": None,
        }
        for s in members
    ]
    return wds.success(
        {
            "responseStatusCode": 0,
            "productId": str(product),
            "cansimId": None,
            "cubeTitleEn": english,
            "cubeTitleFr": french,
            "cubeStartDate": periods[0],
            "cubeEndDate": periods[-1],
            "frequencyCode": members[0].frequency,
            "nbSeriesCube": len(members),
            "nbDatapointsCube": len(points),
            "releaseTime": max(p["releaseTime"] for p in points),
            "archiveStatusCode": "2",
            "archiveStatusEn": "CURRENT - a cube available to the public and that is current",
            "archiveStatusFr": "ACTIF - un cube qui est disponible au public et qui est toujours mise a jour",
            "subjectCode": [],
            "surveyCode": [],
            "dimension": [
                {
                    "dimensionPositionId": 1,
                    "dimensionNameEn": "Geography",
                    "dimensionNameFr": "Géographie",
                    "hasUom": False,
                    "member": geography,
                }
            ],
            "footnote": [],
            "correction": [],
        }
    )


def _changed(world: World, day: date, night: date, *, cubes: bool) -> list[dict[str, Any]]:
    """What was released on a day: nothing on a weekend, nothing in the future."""
    changed = []
    if day <= night and day.weekday() < 5:
        for series in SERIES.values():
            points = item(world, series, day)["object"]["vectorDataPoint"]
            today = [p for p in points if p["releaseTime"].startswith(day.isoformat())]
            if today and cubes:
                changed.append(
                    {
                        "responseStatusCode": 0,
                        "productId": series.product,
                        "releaseTime": today[0]["releaseTime"],
                    }
                )
            elif today:
                changed.append(
                    {
                        "responseStatusCode": 0,
                        "vectorId": series.vector,
                        "productId": series.product,
                        "coordinate": series.padded(),
                        "releaseTime": today[0]["releaseTime"],
                    }
                )
    return list({tuple(sorted(c.items())): c for c in changed}.values())


_ZIP_HEADER: Final = (
    "REF_DATE", "GEO", "DGUID", "Series", "UOM", "UOM_ID", "SCALAR_FACTOR", "SCALAR_ID", "VECTOR",
    "COORDINATE",
    "VALUE", "STATUS", "SYMBOL", "TERMINATED", "DECIMALS",
)  # fmt: skip


def _table_zip(world: World, ask: Ask) -> Answer | None:
    """A whole table as the service packs it: quoted CSV with a byte order mark, and metadata."""
    name = ask.path.rsplit("/", 1)[1]
    product = name.removesuffix("-eng.zip")
    members = [s for s in SERIES.values() if str(s.product) == product]
    if not name.endswith("-eng.zip") or not members:
        return None
    newest = max(
        p["releaseTime"] for s in members for p in item(world, s, ask.night)["object"]["vectorDataPoint"]
    )
    released = date.fromisoformat(newest[:10])

    def write(path: Path) -> None:
        data = io.StringIO()
        writer = csv.writer(data, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerow(_ZIP_HEADER)
        for series in members:
            for point in item(world, series, ask.night)["object"]["vectorDataPoint"]:
                label = point["refPer"][:4] if series.frequency == _ANNUAL else point["refPer"][:7]
                # The trailing space of 'units ' is the service's own.
                scalar = ("thousands", "3") if series.scalar == 3 else ("units ", "0")
                writer.writerow(
                    (label, series.geography, "", series.title_en.split(";", 1)[1], *map(str, series.uom),
                     *scalar,
                     f"v{series.vector}", series.coordinate, point["value"], "", "", "", series.decimals)
                )  # fmt: skip
        title = _TITLES[series.product][0]
        metadata = (
            f'"Cube Title","Product Id","Frequency"\r\n"{title}","{product}","{series.frequency}"\r\n\r\n'
        )
        metadata += (
            '"Symbol Legend"\r\n"Description","Symbol"\r\n"not available","..."\r\n"preliminary","p"\r\n'
        )
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, text in ((f"{product}.csv", data.getvalue()), (f"{product}_MetaData.csv", metadata)):
                info = zipfile.ZipInfo(
                    member, date_time=(released.year, released.month, released.day, 8, 30, 0)
                )
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, text.encode("utf-8-sig"))

    cached = world.cache.file(f"statcan/{product}-{released.isoformat()}.zip", write)
    return file_answer(cached, last_modified=at(released, 12, 30), name=name)


_CODE_SETS: Final = {
    "scalar": [
        {"scalarFactorCode": c, "scalarFactorDescEn": en, "scalarFactorDescFr": fr}
        for c, en, fr in ((0, "units", "unités"), (3, "thousands", "milliers"), (6, "millions", "millions"))
    ],
    "frequency": [
        {"frequencyCode": c, "frequencyDescEn": en, "frequencyDescFr": fr}
        for c, en, fr in (
            (6, "Monthly", "Mensuel"),
            (9, "Quarterly", "Trimestriel"),
            (12, "Annual", "Annuel"),
        )
    ],
    "symbol": [
        {"symbolCode": c, "symbolRepresentationEn": s, "symbolDescEn": en}
        for c, s, en in ((0, "", "none"), (1, "p", "preliminary"), (2, "r", "revised"))
    ],
    "status": [
        {"statusCode": c, "statusRepresentationEn": s, "statusDescEn": en}
        for c, s, en in ((0, "", "normal"), (1, "..", "not available"), (4, "x", "suppressed"))
    ],
    "securityLevel": [{"securityLevelCode": 0, "securityLevelDescEn": "public use"}],
}
