"""Sealed files: what was sealed comes back, and nothing else opens."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cityperf import cli, landing, sealing
from cityperf.config import ROOT, Settings
from cityperf.sealing import CHUNK, HEAD, TAG, KeyMissing, Keys, Tampered
from cityperf.sources import Contract
from pydantic import ValidationError

KEY, OTHER = os.urandom(32), os.urandom(32)
KEYS = Keys({sealing.key_id(KEY): KEY})
WHAT = "a" * 64
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17)


def sealed(content: bytes, keys: Keys = KEYS, what: str = WHAT) -> bytes:
    out = io.BytesIO()
    sealing.seal(keys, io.BytesIO(content), out, what)
    return out.getvalue()


def opened(content: bytes, keys: Keys = KEYS, what: str = WHAT) -> bytes:
    return b"".join(sealing.unsealed(keys, io.BytesIO(content), what))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_comes_back_byte_for_byte(size: int, tmp_path: Path) -> None:
    content = os.urandom(size)
    whole = sealed(content)
    assert opened(whole) == content
    path = tmp_path / "sealed"
    path.write_bytes(whole)
    assert sealing.key_of(path) == KEYS.newest


def test_a_sealed_file_shows_nothing_of_its_content_and_no_two_are_alike() -> None:
    content = b"Jane Doe, 416-555-0199\n" * 1000
    first, second = sealed(content), sealed(content)
    assert first[HEAD:] != second[HEAD:]
    assert b"Jane" not in first


def test_a_stream_that_gives_little_at_once_is_sealed_whole() -> None:
    class Drips(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(1000, size if size and size > 0 else 1000))

    content, out = os.urandom(CHUNK + 5), io.BytesIO()
    sealing.seal(KEYS, Drips(content), out, WHAT)
    assert b"".join(sealing.unsealed(KEYS, Drips(out.getvalue()), WHAT)) == content


def _changed(at: int) -> Callable[[bytes], bytes]:
    return lambda whole: whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


def _swapped(whole: bytes) -> bytes:
    size = CHUNK + TAG
    first, second = whole[HEAD : HEAD + size], whole[HEAD + size : HEAD + 2 * size]
    return whole[:HEAD] + second + first + whole[HEAD + 2 * size :]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_changed(3), id="another head"),
        pytest.param(_changed(HEAD - 1), id="another salt"),
        pytest.param(_changed(HEAD), id="a byte of the first chunk"),
        pytest.param(_changed(-1), id="a byte of the last tag"),
        pytest.param(lambda whole: whole[:-1], id="a byte cut off"),
        pytest.param(lambda whole: whole[: HEAD + 2 * (CHUNK + TAG)], id="the last chunk cut off"),
        pytest.param(lambda whole: whole[: HEAD + CHUNK + TAG], id="two chunks cut off"),
        pytest.param(lambda whole: whole[:HEAD], id="all chunks cut off"),
        pytest.param(lambda whole: whole[:10], id="half a head"),
        pytest.param(lambda whole: whole + b"x", id="a byte more"),
        pytest.param(lambda whole: whole + whole[HEAD:], id="the chunks once more"),
        pytest.param(_swapped, id="chunks swapped"),
        pytest.param(lambda whole: whole[:HEAD] + whole[HEAD + CHUNK + TAG :], id="the first chunk left out"),
    ],
)  # fmt: skip
def test_what_was_changed_cut_or_put_in_another_order_does_not_open(spoil: Callable[[bytes], bytes]) -> None:
    whole = sealed(os.urandom(2 * CHUNK + 100))
    with pytest.raises(Tampered, match="bring it back from its backup"):
        opened(spoil(whole))


def test_a_file_under_another_files_name_does_not_open() -> None:
    with pytest.raises(Tampered):
        opened(sealed(b"content"), what="b" * 64)


def test_a_chunk_of_another_file_under_the_same_key_does_not_open() -> None:
    one, two = (sealed(os.urandom(2 * CHUNK)) for _ in range(2))
    with pytest.raises(Tampered):
        opened(one[: HEAD + CHUNK + TAG] + two[HEAD + CHUNK + TAG :])


def test_without_its_key_a_file_says_which_key_it_wants() -> None:
    with pytest.raises(
        KeyMissing, match=rf"expected the key {KEYS.newest}.*CITYPERF_LANDING_KEY.*landing_key\.md"
    ):
        opened(sealed(b"x"), Keys({sealing.key_id(OTHER): OTHER}))


def test_a_key_that_only_claims_to_be_the_right_one_does_not_open() -> None:
    with pytest.raises(Tampered):
        opened(sealed(b"x"), Keys({sealing.key_id(KEY): OTHER}))


# -- where keys come from ------------------------------------------------------------------------------------
def test_a_key_is_made_once_and_kept_where_only_the_owner_reads(settings: Settings) -> None:
    first = sealing.keys_of(settings)
    assert sealing.keys_of(settings) == first
    assert (settings.home / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert len(first.by_id) == 1


def test_a_home_of_before_gets_its_key_and_keeps_its_passwords(settings: Settings) -> None:
    before = settings.secrets()
    sealing.keys_of(settings)
    after = settings.secrets()
    assert {name: after[name] for name in before} == before


def test_after_a_rotation_new_files_use_the_new_key_and_old_ones_still_open(settings: Settings) -> None:
    old = sealing.keys_of(settings)
    whole = sealed(b"of before", old)
    newest = sealing.rotate(settings)
    keys = sealing.keys_of(settings)
    assert keys.newest == newest != old.newest
    assert opened(whole, keys) == b"of before"
    assert sealing.seal(keys, io.BytesIO(b"x"), io.BytesIO(), WHAT) == newest


def test_the_environments_key_comes_first_and_none_is_made_beside_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer, older = sealing.new_key(), sealing.new_key()
    monkeypatch.setenv(sealing.VARIABLE, f"{newer}, {older}")
    keys = sealing.keys_of(settings)
    assert len(keys.by_id) == 2
    assert sealing.SECRET not in settings.secrets()
    with pytest.raises(KeyMissing, match="in front"):
        sealing.rotate(settings)
    monkeypatch.setenv(sealing.VARIABLE, newer)
    assert sealing.keys_of(settings).newest == keys.newest


@pytest.mark.parametrize("text", ["secret", "c2hvcnQ=", "%%%"])
def test_what_is_no_key_is_refused_without_being_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(sealing.VARIABLE, text)
    with pytest.raises(KeyMissing, match="32 bytes in base64") as refused:
        sealing.keys_of(settings)
    assert text not in str(refused.value)


def test_two_who_make_the_first_key_at_once_get_the_same(settings: Settings) -> None:
    code = (
        "import sys; from pathlib import Path; from cityperf import sealing; from cityperf.config import Settings; "
        f"print(sealing.keys_of(Settings(home=Path({str(settings.home)!r}))).newest)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "include")}
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    told = {each.communicate()[0] for each in started}
    assert len(told) == 1
    assert len(json.loads((settings.home / "secrets.json").read_text())[sealing.SECRET].split()) == 1


# -- landing -------------------------------------------------------------------------------------------------
def keep(settings: Settings, content: bytes, *, private: bool = True) -> landing.Stored:
    with landing.incoming(settings, private=private) as arriving:
        arriving.write(content)
        return landing.keep(settings, arriving)


def test_private_bytes_never_have_a_name_and_lie_sealed_under_their_sha256(settings: Settings) -> None:
    with landing.incoming(settings, private=True) as arriving:
        arriving.write(b"Jane Doe")
        arriving.handle.flush()
        assert arriving.path.read_bytes() == b"Jane Doe"
        assert not [each for each in settings.base.rglob("*") if each.is_file()]
        stored = landing.keep(settings, arriving)
    assert not arriving.path.exists()
    assert stored.path.name == f"{stored.sha256}.sealed"
    assert b"Jane" not in stored.path.read_bytes()
    assert landing.intact(settings, stored.sha256)
    assert stored.sealed_with == sealing.keys_of(settings).newest


def test_the_same_private_bytes_again_change_nothing(settings: Settings) -> None:
    first = keep(settings, b"x" * 5000)
    before = first.path.read_bytes()
    assert keep(settings, b"x" * 5000) == first
    assert first.path.read_bytes() == before


def test_bytes_that_became_private_lose_their_plain_copy_and_sealed_ones_never_get_one(
    settings: Settings,
) -> None:
    plain = keep(settings, b"content", private=False)
    assert plain.sealed_with is None
    private = keep(settings, b"content")
    assert not plain.path.exists()
    assert keep(settings, b"content", private=False) == private


def test_a_sealed_file_that_was_changed_is_not_intact(settings: Settings) -> None:
    stored = keep(settings, b"content")
    stored.path.chmod(0o600)
    stored.path.write_bytes(stored.path.read_bytes()[:-1] + b"\x00")
    assert not landing.intact(settings, stored.sha256)


def test_a_file_that_does_not_open_any_more_is_mended_by_the_same_bytes(settings: Settings) -> None:
    stored = keep(settings, b"content")
    stored.path.chmod(0o600)
    stored.path.write_bytes(stored.path.read_bytes()[:-1] + b"\x00")
    assert keep(settings, b"content").sealed_with == stored.sealed_with
    assert landing.intact(settings, stored.sha256)
    (settings.home / "secrets.json").unlink()
    assert keep(settings, b"content", private=False).sealed_with != stored.sealed_with
    assert landing.intact(settings, stored.sha256)


def test_sealing_a_large_file_takes_no_memory_for_it(settings: Settings) -> None:
    chunk = os.urandom(1 << 20)
    keep(settings, chunk)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with landing.incoming(settings, private=True) as arriving:
        for _ in range(200):
            arriving.write(chunk)
        stored = landing.keep(settings, arriving)
    assert landing.intact(settings, stored.sha256)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    assert grown < 40, f"{grown} MB more at the peak"


def test_the_command_line_tells_which_keys_are_needed_and_makes_new_ones(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CITYPERF_HOME", str(settings.home))
    old = keep(settings, b"content").sealed_with
    assert cli.main(["landing", "rotate"]) == 0
    new = capsys.readouterr().out.split()[0]
    assert cli.main(["landing", "keys", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"key": new, "files": 0, "at_hand": True, "seals": True},
        {"key": old, "files": 1, "at_hand": True, "seals": False},
    ]
    (settings.home / "secrets.json").unlink()
    assert cli.main(["landing", "keys"]) == 1
    told = capsys.readouterr()
    assert f"{old}  IS LACKING  1 files" in told.out
    assert f"{old} is lacking; see docs/runbooks/landing_key.md" in told.err


# -- what a contract may say ---------------------------------------------------------------------------------
def contract(**more: object) -> Contract:
    return Contract.model_validate(
        {
            "dataset": "answers",
            "title": "Answers",
            "description": "One row per answer.",
            "owner": {"division": "Customer Experience Division", "steward": "Surveys"},
            "licence": None,
            "privacy": {"class": "person_level"},
            "tier": 2,
            "extract": {"connector": "drop_folder", "folder": "answers", "match": "answers"},
            "schedule": {"refresh": "annually", "warn_after": "400 days", "fail_after": "500 days"},
            "columns": [
                {"name": "id", "header": ["Id"], "type": "text"},
                {"name": "email", "header": ["E-mail"], "type": "text", "personal": True},
            ],
            "drift": {"new_column": "ignore"},
            **more,
        }
    )


def test_raw_has_all_columns_but_the_personal_ones() -> None:
    assert [column.name for column in contract().raw_columns] == ["id"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"keys": ["email"]}, "keys: email is personal and never reaches raw"),
        ({"compare": ["id", "email"]}, "compare: email is personal"),
        ({"leave_out": [{"column": "email", "matches": "x"}]}, "leave_out: email is personal"),
        ({"control_total": {"column": "id", "where_blank": "email"}}, "control_total: email is personal"),
        ({"privacy": {"class": "counts"}}, "expected the class person_level"),
        ({"privacy": {"class": "counts", "keep": "400 days"}}, "`keep` is for person_level"),
        ({"drift": {}}, "`new_column` ignore, quarantine_file or stop, found 'warn'"),
        ({"columns": [{"pattern": "^q", "type": "text", "personal": True}]}, "a `pattern` column is not personal"),
    ],
)  # fmt: skip
def test_nothing_personal_can_be_asked_of_raw(more: dict[str, object], said: str) -> None:
    if "privacy" in more:
        more = {"columns": contract().model_dump()["columns"][: 1 if "keep" in str(more) else 2], **more}
    with pytest.raises(ValidationError, match=said):
        contract(**more)
