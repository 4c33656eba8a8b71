"""What the boot server remembers, also when it is killed."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rootstream.errors import UserError
from rootstream.netboot.store import state as state_module
from rootstream.netboot.store.state import CheckResult, State

WRITER = """
import sys
from pathlib import Path
from rootstream.netboot.store.state import State
state = State(Path(sys.argv[1]))
for number in range(100000):
    boot = state.begin("box", "52:54:00:00:00:01", stage="dhcp")
    state.stage(boot, "dhcp", ended=1.0)
    state.update(boot, outcome="up", system="hello", build="b")
    print(boot, flush=True)
"""


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "new" / "state.db")


def test_a_boot(state: State) -> None:
    number = state.begin("box", "52:54:00:00:00:01", stage="power-on", at=100.0)
    state.stage(number, "dhcp", began=101.0)
    state.stage(number, "dhcp", began=102.0)
    state.stage(number, "dhcp", ended=103.0)
    state.stage(number, "kernel", began=104.0)
    state.stage(number, "kernel", ended=105.0, size=7, detail="x")
    state.update(number, system="hello", build="b", address="10.0.0.1")
    boot = state.current("box")
    assert boot
    found = [(each.name, each.began, each.ended, each.size) for each in boot.stages]
    assert found == [("power-on", 100.0, None, None), ("dhcp", 101.0, 103.0, None), ("kernel", 104.0, 105.0, 7)]
    results = (CheckResult(name="a", passed=True, elapsed=1.5, detail=""),)
    state.checked(number, results)
    state.update(number, outcome="passed")
    assert state.current("box") is None
    again = state.boot(number)
    assert again
    assert (again.checks, again.outcome) == (results, "passed")
    with pytest.raises(ValueError, match="unknown words"):
        state.update(number, **{"id = 0 --": "x"})


def test_a_boot_that_is_begun_anew_is_abandoned(state: State) -> None:
    numbers = [state.begin("box", "", stage="dhcp") for _ in range(3)]
    assert [boot.outcome for boot in state.boots()] == ["booting", "abandoned", "abandoned"]
    assert [boot.id for boot in state.boots(before=numbers[2], limit=1)] == [numbers[1]]
    assert state.boots(machine="' OR 1=1 --") == ()


def test_a_token_is_good_once_and_for_an_hour(state: State) -> None:
    number = state.begin("box", "", stage="script")
    assert state.token(number) == state.token(number + 1) == ""
    assert state.redeem(number, "") is None
    state.update(number, token="a-token-of-this-boot")
    assert state.token(number) == "a-token-of-this-boot"
    assert state.redeem(number, "another") is None
    boot = state.redeem(number, "a-token-of-this-boot")
    assert boot
    assert (boot.id, boot.outcome) == (number, "up")
    assert state.token(number) == ""
    assert state.redeem(number, "a-token-of-this-boot") is None
    old = state.begin("box", "", stage="script", at=time.time() - 3700)
    state.update(old, token="a-token-of-this-boot")
    assert state.token(old) == ""


def test_nobody_else_reads_the_tokens(state: State, tmp_path: Path) -> None:
    state.update(state.begin("box", "", stage="script"), token="a-token-of-this-boot")
    found = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
    assert found
    assert set(found.values()) == {0o600}


def test_choices(state: State) -> None:
    assert state.take("box") is None
    state.choose("box", system="good", build=None, once=False)
    state.choose("box", system="once", build=None, once=True)
    assert [state.choice("box").system, state.take("box").system] == ["once", "once"]  # type: ignore[union-attr]
    assert [state.take("box").system for _ in range(2)] == ["good", "good"]  # type: ignore[union-attr]
    state.choose("box", system="once", build=None, once=True)
    state.choose("box", system=None, build=None, once=False)
    assert state.choice("box") is None


def test_events_and_marks(state: State, tmp_path: Path) -> None:
    first = state.mark()
    other = State(tmp_path / "new" / "state.db")
    other.tell("boot", "one", machine="box")
    second = state.mark()
    other.tell("boot", "two", machine="box")
    assert len({first, second, state.mark()}) == 3
    told = state.told()
    assert [each.text for each in told] == ["one", "two"]
    assert [each.text for each in state.told(after=told[0].id)] == ["two"]
    other.close()


def test_it_survives_being_killed(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout
        last = [int(child.stdout.readline()) for _ in range(20)][-1]
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        state = State(path)
        boot = state.boot(last)
        assert boot
        assert (boot.outcome, boot.build) == ("up", "b")
        state.close()


@pytest.mark.parametrize("content", [b"rubbish" * 1000, b"SQLite format 3\0" + bytes(5000)])
def test_a_broken_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        State(path)
    assert caught.value.reason in ("state-broken", "cannot-write")


def test_who_is_up_is_not_only_served(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    number = state.begin("box", "52:54:00:00:00:01", stage="dhcp")
    state.update(number, token="a-token-of-this-boot")
    assert state.redeem(number, "a-token-of-this-boot")
    state.served(number)  # the file's last byte is noted after the report
    assert state.boots()[0].outcome == "up"
    state.close()


def test_a_token_is_void_with_the_next_boot(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    numbers = [state.begin("box", "52:54:00:00:00:01", stage="dhcp")]
    state.update(numbers[0], token="a-token-of-one-boot")
    numbers.append(state.begin("box", "52:54:00:00:00:01", stage="dhcp"))
    state.update(numbers[1], token="a-token-of-the-next")
    assert state.redeem(numbers[0], "a-token-of-one-boot") is None
    assert state.redeem(numbers[1], "a-token-of-the-next")
    state.close()


@pytest.mark.parametrize(
    "content",
    [b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 5000, b"SQLite format 3\0", b"\0" * 100],
)
def test_what_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.db").write_bytes(content)
    with pytest.raises(UserError) as caught:
        State(tmp_path / "state.db")
    assert caught.value.reason == "state-broken"
    assert "Move it away" in str(caught.value)


def test_tables_and_text_that_are_broken(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    State(path).close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO boots VALUES (1, CAST(x'ff' AS TEXT), '', '', '', '', 1, 1, 'up', '', '')")
        database.commit()
    state = State(path)
    with pytest.raises(UserError) as caught:
        state.boots()
    assert caught.value.reason == "state-broken"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE boots")
    with pytest.raises(UserError) as caught:
        state.begin("box", "", stage="dhcp")
    assert caught.value.reason == "state-broken"
    state.close()


def test_a_database_that_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "_WAIT", 0.1)
    path = tmp_path / "state.db"
    state = State(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        for work in (lambda: state.tell("x", "y"), lambda: State(path)):
            with pytest.raises(UserError) as caught:
                work()
            assert caught.value.reason == "cannot-write"
            assert "Another program has it open" in str(caught.value)
    state.tell("x", "y")
    state.close()
