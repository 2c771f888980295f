"""What divisions hand in: templates to fill, receipts for what came, and who is late.

A workbook is all registers that share a drop folder, each a sheet of it. A hand-in is one file of one division as of
one date. Nothing heavy is imported here: the command line lists hand-ins without a workbook library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from cityperf.errors import CityperfError
from cityperf.sources import CONTRACTS, Contract, Register, load_contracts, read_contract


class UnknownWorkbook(CityperfError):
    """No register and no workbook has that name."""


@dataclass(frozen=True)
class Workbook:
    """The registers of one drop folder, in order of their sheets."""

    folder: str
    sheets: tuple[Contract, ...]

    @property
    def register(self) -> Register:
        """What all sheets say alike: version, due dates, divisions."""
        return register_of(self.sheets[0])

    @property
    def template(self) -> str:
        """What stands beside `Template` in the title block."""
        return f"{self.folder} v{self.register.version}"

    @property
    def divisions(self) -> tuple[str, ...]:
        return self.register.divisions or (self.sheets[0].owner.division,)

    @property
    def steward(self) -> str:
        return self.sheets[0].owner.steward

    def file_name(self, division: str, as_of: date) -> str:
        """The canonical name of a hand-in."""
        return f"{self.folder}_{division_key(division)}_{as_of.isoformat()}.xlsx"

    def division_of(self, name: str) -> str:
        """Whose file this is by its name; the owner's where the name says nothing."""
        found = re.search(str(self.sheets[0].extract.arguments["match"]), name)
        key = (found.groupdict().get("division_key") or "") if found else ""
        for division in self.divisions:
            if division_key(division) == key.lower():
                return division
        return key or self.sheets[0].owner.division


def register_of(contract: Contract) -> Register:
    """The contract's register section. Raises UnknownWorkbook for a data set that nobody hands in."""
    if contract.register is None:
        raise UnknownWorkbook(f"{contract.dataset} has no `register` section: nobody hands it in")
    return contract.register


def workbooks(contracts: Iterable[Contract]) -> dict[str, Workbook]:
    """Every workbook that divisions hand in, by its folder; sheets that others refer to come first."""
    folders: dict[str, list[Contract]] = {}
    for contract in contracts:
        if contract.register:
            folders.setdefault(str(contract.extract.arguments["folder"]), []).append(contract)
    return {
        folder: Workbook(folder, tuple(sorted(found, key=lambda each: _refers(each, found))))
        for folder, found in sorted(folders.items())
    }


def _refers(contract: Contract, among: list[Contract]) -> bool:
    """Whether a register has links to another one of the same workbook."""
    others = {each.dataset for each in among} - {contract.dataset}
    return any(link.dataset in others for link in register_of(contract).links)


def workbook_named(name: str, root: Path = CONTRACTS) -> Workbook:
    """The workbook with this folder, or the one in which this data set is a sheet; reads only its own contracts.

    Raises UnknownWorkbook with the names that there are.
    """
    for file in sorted(root.rglob("*.yml")):
        text = file.read_text("utf-8")
        if "\nregister:" in text and (file.stem == name or _is_in(name, text)):
            return workbook_of(read_contract(file))
    there = ", ".join(workbooks(load_contracts(root).values()))
    raise UnknownWorkbook(f"expected a workbook or register, found {name!r}; there are {there}")


def workbook_of(contract: Contract) -> Workbook:
    """The workbook that a register is a sheet of; reads only the contracts that name its folder."""
    folder = str(contract.extract.arguments["folder"])
    if contract.path == Path():
        return Workbook(folder, (contract,))
    root = CONTRACTS if contract.path.is_relative_to(CONTRACTS) else contract.path.parent
    found = [
        contract if file == contract.path else _read(file, file.stat().st_mtime_ns)
        for file in sorted(root.rglob("*.yml"))
        if file == contract.path or _is_in(folder, file.read_text("utf-8"))
    ]
    return workbooks(found)[folder]


@lru_cache(maxsize=64)
def _read(file: Path, _changed: int) -> Contract:
    """A contract, read once while its file stays as it is."""
    return read_contract(file)


def _is_in(folder: str, text: str) -> bool:
    """Whether the text of a contract names this folder; its meaning is looked at only where it does."""
    return (
        re.search(rf"\bfolder: ['\"]?{re.escape(folder)}['\"]?\s*([,}}#]|$)", text, re.MULTILINE) is not None
    )


def sheet_name(contract: Contract) -> str:
    """The sheet that a register is read from: the first that the contract names, else its title."""
    sheets = contract.extract.read.sheets
    return sheets[0] if isinstance(sheets, tuple) else register_of(contract).title.en[:31]


def division_key(name: str) -> str:
    """A division's name as file names have it: `parks-and-recreation`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("&", " and ")).strip("-")
