import numpy as np
import pytest

from pipelines.training.checkpoint import FILE, Checkpoints

ARRAYS = {"model/0": np.arange(6, dtype=np.float32).reshape(2, 3), "seed": np.array([1, 2**32 - 1], dtype=np.uint32)}
TOLD = {"epoch": 3, "loss": 0.1 + 0.2, "history": [{"val_auc": 1 / 3}]}


def test_what_was_saved_is_loaded_to_the_last_bit(tmp_path):
    Checkpoints(tmp_path / "run", "key", 0).save(ARRAYS, TOLD)
    found = Checkpoints(tmp_path / "run", "key", 0).load()
    assert found.told == TOLD
    assert set(found.arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        assert np.array_equal(found.arrays[name], array)


def test_another_run_s_checkpoint_is_none(tmp_path):
    Checkpoints(tmp_path, "key", 0).save(ARRAYS, TOLD)
    assert Checkpoints(tmp_path, "other", 0).load() is None


def test_no_folder_is_no_checkpoint(tmp_path):
    assert Checkpoints(tmp_path / "never", "key", 0).load() is None


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_damaged_file_is_no_checkpoint(tmp_path, keep):
    Checkpoints(tmp_path, "key", 0).save(ARRAYS, TOLD)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: int(keep * len(whole)) if keep < 1 else keep])
    assert Checkpoints(tmp_path, "key", 0).load() is None


def test_a_checkpoint_is_due_at_every_step_or_after_a_while(tmp_path):
    assert Checkpoints(tmp_path, "key", 0).due()
    assert not Checkpoints(tmp_path, "key", 3600).due()


def test_a_broken_write_leaves_the_last_checkpoint(tmp_path):
    checkpoints = Checkpoints(tmp_path, "key", 0)
    checkpoints.save(ARRAYS, TOLD)
    with pytest.raises(TypeError):
        checkpoints.save(ARRAYS, {"no": object()})
    assert checkpoints.load().told == TOLD
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
