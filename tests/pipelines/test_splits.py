from pipelines.recipe import SplitParams
from pipelines.splits import assign

SPLIT = SplitParams(train=0.6, val=0.2, test=0.2, seed=1)


def patients(count):
    return [f"p{number}" for number in range(count) for _ in range(2)]


def pictures(count):
    return [f"picture{number}" for number in range(count)]


def test_a_patient_never_straddles_two_splits():
    who = patients(300)
    split = assign(who, pictures(600), SPLIT)
    assert all(first == second for first, second in zip(split[::2], split[1::2], strict=True))


def test_shares_are_about_those_of_the_recipe():
    split = assign(patients(3000), pictures(6000), SPLIT)
    assert abs(split.count("train") / 6000 - 0.6) < 0.03
    assert abs(split.count("val") / 6000 - 0.2) < 0.03


def test_new_data_moves_nobody():
    before = assign(patients(100), pictures(200), SPLIT)
    assert assign(patients(150), pictures(300), SPLIT)[:200] == before


def test_another_seed_splits_otherwise():
    other = SPLIT.model_copy(update={"seed": 2})
    assert assign(patients(100), pictures(200), SPLIT) != assign(patients(100), pictures(200), other)


def test_patients_who_share_a_picture_fall_together():
    who = [f"p{number}" for number in range(200)]
    what = [f"picture{number // 2}" for number in range(200)]  # p0 and p1 share one, p2 and p3, ...
    split = assign(who, what, SPLIT)
    assert all(first == second for first, second in zip(split[::2], split[1::2], strict=True))
    assert len(set(split)) == 3
