"""The sample profile: every publisher's feeds, invented from seed, scale and night, in their real shapes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import date

from cityperf.config import Settings, tonight
from cityperf.portal import ckan
from cityperf.portal.answers import Answer, Ask, Make, json_answer
from cityperf.portal.sample import (
    benchmarks,
    budget,
    commitments,
    crime,
    dashboard,
    fir,
    neighbourhoods,
    recipes,
    registers,
    ridership,
    service_requests,
    statcan,
    ttc,
    ttc_surface,
    valet,
    ward_profiles,
)
from cityperf.portal.sample.world import Cache, World

_PACKAGES = (ttc, budget, service_requests, neighbourhoods, ward_profiles)
_SERVICES = (dashboard, statcan, valet, crime, fir, recipes)
_DROPS: dict[str, Callable[[World, date], Mapping[str, Make]]] = {
    module.FOLDER: module.drops for module in (benchmarks, commitments, ridership)
}


class SamplePortal:
    """Answers for every address that a source contract of the warehouse names."""

    def __init__(self, settings: Settings) -> None:
        cache = Cache(settings.base / "portal-cache", settings.seed, settings.scale)
        cache.prune()
        self.world = World(settings.seed, settings.scale, cache)
        for module in _PACKAGES:
            ckan.package_uuid(module.PACKAGE)
        for mode in ttc_surface.MODES:
            ckan.package_uuid(mode.package)

    def latest_night(self) -> date:
        return tonight()

    def answer(self, ask: Ask) -> Answer | None:
        if ask.host == ckan.HOST:
            return ckan.answer(ask, packages(self.world, ask.night)) or ckan.not_found(ask)
        if others := tuple(recipes.packages(self.world, ask.host, ask.night)):
            return ckan.answer(ask, others) or ckan.not_found(ask)
        return next((found for s in _SERVICES if (found := s.answer(self.world, ask))), None)

    def drops(self, folder: str, night: date) -> Mapping[str, Make] | None:
        if folder in _DROPS:
            return _DROPS[folder](self.world, night)
        handed_in = registers.drops(self.world, folder, night)
        return recipes.drops(self.world, folder, night) if handed_in is None else handed_in

    def missing(self, address: str, night: date) -> Answer:
        return json_answer({"error": f"the sample has nothing at {address} on {night}"}, status=404)


@functools.lru_cache(maxsize=8)
def packages(world: World, night: date) -> tuple[ckan.Package, ...]:
    """The CKAN packages as of a night."""
    written = tuple(module.package(world, night) for module in _PACKAGES)
    return (*written, *ttc_surface.packages(world, night), *recipes.packages(world, ckan.HOST, night))
