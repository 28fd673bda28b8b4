"""A store that is damaged or open to others, as the operator sees it."""

import os
import stat

from processes import QUEUE, run_to_end, serve


def created(tmp_path):
    """Return the path of a store that a server has created."""
    with serve(tmp_path, "--queue", QUEUE) as server:
        server.stop()
    return tmp_path / "tasks.db"


def test_a_damaged_store_is_an_error_at_start_with_the_next_step(tmp_path):
    store = created(tmp_path)
    size = store.stat().st_size
    with store.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    ended = run_to_end("--port", "0", "--store", f"sqlite:{store}")
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"drayman: store {store} is damaged: ")
    assert "restore a backup" in line


def test_a_log_without_its_database_is_an_error_at_start(tmp_path):
    store = tmp_path / "tasks.db"
    (tmp_path / "tasks.db-wal").write_bytes(b"the last calls")
    for option in ([], ["--check"]):
        ended = run_to_end("--port", "0", "--store", f"sqlite:{store}", *option)
        assert ended.returncode == (2 if option else 1)
        assert f"store {store} is missing, but its write-ahead log {store}-wal" in ended.stderr
    assert not store.exists()


def test_a_new_store_is_private_and_an_old_one_gets_a_warning(tmp_path):
    before = os.umask(0)
    try:
        store = created(tmp_path)
    finally:
        os.umask(before)
    files = [*tmp_path.glob("tasks.db*")]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    store.chmod(0o644)
    with serve(tmp_path) as server:
        server.stop()
        warning = (
            f"WARNING store sqlite:{store}: other users of this machine may read it; "
            f"run: chmod 600 {store}"
        )
        assert warning in server.log()
