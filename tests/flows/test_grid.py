from pathlib import Path

import pytest

from flows.grid import check, combinations, sample
from pipelines.errors import RecipeError

DEMO = Path(__file__).resolve().parents[2] / "recipes" / "demo.yaml"


def test_every_combination_is_a_run():
    assert combinations(["train.batch=16,32", "model.dropout=0.2,0.4"]) == [
        ("train.batch=16", "model.dropout=0.2"),
        ("train.batch=16", "model.dropout=0.4"),
        ("train.batch=32", "model.dropout=0.2"),
        ("train.batch=32", "model.dropout=0.4"),
    ]


def test_values_are_yaml_lists_and_sections_too():
    assert combinations(["model.filters=[16, 32],[32,64]"]) == [
        ("model.filters=[16, 32]",),
        ("model.filters=[32, 64]",),
    ]
    head = "train.head=null,{epochs: 3, learning_rate: 1e-3, views: 2}"
    assert combinations([head])[1] == ("train.head={epochs: 3, learning_rate: 0.001, views: 2}",)
    assert combinations(["augment.flip=true,false"]) == [("augment.flip=true",), ("augment.flip=false",)]


@pytest.mark.parametrize("line", ["train.batch", "=3", "train.batch=", "train.batch=[1"])
def test_what_is_no_grid_is_named(line):
    with pytest.raises(RecipeError, match="--grid"):
        combinations([line])


def test_a_sample_is_some_of_the_runs_that_the_seed_repeats():
    runs = combinations(["a.b=1,2,3,4,5,6,7,8,9,10"])
    some = sample(runs, 4, seed=3)
    assert some == sample(runs, 4, seed=3)
    assert some != sample(runs, 4, seed=4)
    assert len(set(some)) == 4
    assert some == [run for run in runs if run in some]
    assert sample(runs, 20, seed=3) == runs


def test_a_value_that_does_not_fit_is_found_before_the_first_run():
    check(DEMO, combinations(["train.batch=16,32", "train.head=null,{epochs: 3, learning_rate: 1e-3, views: 2}"]))
    with pytest.raises(RecipeError, match=r"train\.batch must be greater than 0"):
        check(DEMO, combinations(["train.batch=16,0"]))
