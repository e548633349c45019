import subprocess
import sys

from flows.held import held_by_us, is_held

HOLDER = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print('held', flush=True); sys.stdin.read()"


def test_a_lock_is_ours_alone_until_the_block_ends(tmp_path):
    file = tmp_path / "demo.lock"
    with held_by_us(file) as ours:
        assert ours
        assert is_held(file)
        with held_by_us(file) as again:
            assert not again
    assert not is_held(file)


def test_a_lock_that_is_missing_is_held_by_nobody_and_not_made(tmp_path):
    assert not is_held(tmp_path / "demo.lock")
    assert not list(tmp_path.iterdir())


def test_a_process_that_is_killed_holds_nothing_any_more(tmp_path):
    file = tmp_path / "demo.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        assert is_held(file)
        holder.kill()
        holder.wait()
    assert not is_held(file)


def test_a_lock_file_that_was_removed_in_between_does_not_count_as_ours(tmp_path, monkeypatch):
    file = tmp_path / "demo.lock"
    from flows import held

    def locked(descriptor, lock=held._locked):
        file.unlink()
        return lock(descriptor)

    monkeypatch.setattr(held, "_locked", locked)
    with held_by_us(file) as ours:
        assert not ours
