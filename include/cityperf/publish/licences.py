"""The licences under which figures leave, with address and credit line."""

from __future__ import annotations

from typing import Final

LICENCES: Final = {
    "OGL-Toronto": (
        "Open Government Licence - Toronto",
        "https://open.toronto.ca/open-data-licence/",
        "Contains information licensed under the Open Government Licence - Toronto.",
    ),
    "StatCan-Open": (
        "Statistics Canada Open Licence",
        "https://www.statcan.gc.ca/en/terms-conditions/open-licence",
        "Source: Statistics Canada. Reproduced and distributed on an as-is basis with the permission of "
        "Statistics Canada.",
    ),
    "OGL-Ontario": (
        "Open Government Licence - Ontario",
        "https://www.ontario.ca/page/open-government-licence-ontario",
        "Contains information licensed under the Open Government Licence - Ontario.",
    ),
    "BoC-Terms": (
        "Bank of Canada terms of use",
        "https://www.bankofcanada.ca/terms/",
        "Source: Bank of Canada. Not published with its endorsement.",
    ),
    "CC0-1.0": (
        "Creative Commons Zero 1.0",
        "https://creativecommons.org/publicdomain/zero/1.0/",
        "Invented by the sample generator of this project; no attribution needed.",
    ),
}
SAMPLE_LICENCE: Final = "CC0-1.0"
