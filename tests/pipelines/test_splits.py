from pipelines.recipe import SplitParams
from pipelines.splits import assign

SPLIT = SplitParams(keep=(), train=60, val=20, test=20, seed=1)


def patients(count):
    return [f"p{number}" for number in range(count) for _ in range(2)]


def deal(who, what=None, given=None, split=SPLIT):
    return assign(who, what or list(range(len(who))), given or [None] * len(who), split)


def test_a_patient_never_straddles_two_splits():
    split = deal(patients(300))
    assert all(first == second for first, second in zip(split[::2], split[1::2], strict=True))


def test_shares_are_about_those_of_the_recipe():
    split = deal(patients(3000))
    assert abs(split.count("train") / 6000 - 0.6) < 0.03
    assert abs(split.count("val") / 6000 - 0.2) < 0.03


def test_new_data_moves_nobody():
    assert deal(patients(150))[:200] == deal(patients(100))


def test_another_seed_splits_otherwise():
    assert deal(patients(100)) != deal(patients(100), split=SPLIT.model_copy(update={"seed": 2}))


def test_patients_who_share_a_picture_fall_together():
    who = [f"p{number}" for number in range(200)]
    what = [number - number % 2 for number in range(200)]  # p0 and p1 share one, p2 and p3, ...
    split = deal(who, what)
    assert all(first == second for first, second in zip(split[::2], split[1::2], strict=True))
    assert len(set(split)) == 3


def test_a_kept_split_stays_and_the_rest_is_dealt_to_the_others_in_proportion():
    given = ["test"] * 1000 + ["train"] * 5000
    split = deal(patients(3000), given=given, split=SPLIT.model_copy(update={"keep": ("test",)}))
    assert set(split[:1000]) == {"test"}
    assert abs(split[1000:].count("train") / 5000 - 0.75) < 0.03
    assert split[1000:].count("test") == 0


def test_what_is_given_counts_only_where_it_is_kept():
    assert deal(patients(100), given=["test"] * 200) == deal(patients(100))


def test_an_image_without_a_split_has_none_where_all_are_kept():
    keep = SPLIT.model_copy(update={"keep": ("train", "val", "test")})
    assert deal(["a", "b"], given=["val", None], split=keep) == ["val", None]
