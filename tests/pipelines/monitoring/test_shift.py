import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from statsmodels.stats.multitest import multipletests

from pipelines.monitoring.shift import holm, kolmogorov_smirnov, shifts, sides
from tests.pipelines.monitoring.conftest import films_of, reference_of

LEVEL, LEAST = 0.05, 0.1


def of(name, found):
    return next(shift for shift in found if shift.name == name)


def test_a_stream_of_the_same_hospital_keeps_its_share_of_alarms(rng):
    alarms = [
        any(shift.drifted for shift in shifts(sides(reference_of(rng)), films_of(rng, 50), LEVEL, LEAST))
        for _ in range(100)
    ]
    assert np.mean(alarms) <= LEVEL


def test_films_taken_for_independent_would_raise_more_alarms_than_are_allowed(rng):
    """Why the design effect is there: films that repeat their patient, all taken for new ones."""

    def tripled(patients):
        films = films_of(rng, patients)
        return films.loc[films.index.repeat(4)].reset_index(drop=True)

    def alarm(independent):
        reference = reference_of(rng)
        reference = type(reference)(**{**vars(reference), "films": tripled(60)})
        films = reference.films.assign(patient=np.arange(len(reference.films))) if independent else reference.films
        watched = sides(type(reference)(**{**vars(reference), "films": films}))
        return any(shift.drifted for shift in shifts(watched, tripled(40), LEVEL, LEAST))

    assert np.mean([alarm(True) for _ in range(25)]) > 4 * LEVEL
    assert np.mean([alarm(False) for _ in range(25)]) <= 2 * LEVEL


def test_darker_films_are_noticed_by_their_grey_level(reference, rng):
    found = shifts(sides(reference), films_of(rng, 60, darker=15), LEVEL / 10, LEAST)
    assert [shift.name for shift in found if shift.drifted] == ["mean"]
    assert found[0].was["median"] - found[0].now["median"] == pytest.approx(15, abs=4)


def test_doubled_prevalence_is_noticed_by_probability_and_decision(reference, rng):
    found = shifts(sides(reference), films_of(rng, 150, ill=0.6), LEVEL, LEAST)
    assert {shift.name for shift in found if shift.drifted} == {"probability", "decision"}
    decision = of("decision", found)
    assert decision.now["positive"] - decision.was["positive"] == pytest.approx(decision.distance)


def test_a_shift_that_is_too_small_to_matter_is_no_alarm_however_many_films_show_it(rng):
    reference, many = reference_of(rng, 20_000), films_of(rng, 20_000, darker=1)
    (found,) = [shift for shift in shifts(sides(reference), many, LEVEL, LEAST) if shift.name == "mean"]
    assert found.adjusted < 1e-6
    assert not found.drifted
    assert shifts(sides(reference), many, LEVEL, 0.01)[0].drifted


def test_what_never_varies_is_no_test_and_costs_the_others_nothing(reference, rng):
    found = shifts(sides(reference), films_of(rng, 60), LEVEL, LEAST)
    assert {shift.name for shift in found} == {"mean", "std", "bytes", "probability", "familiarity", "decision"}
    assert of("mean", found).adjusted <= 6 * of("mean", found).p


@pytest.mark.parametrize(("name", "value"), [("width", 2000.0), ("mode", "RGB"), ("decision", "refused")])
def test_what_never_varied_and_now_is_another_is_a_drift(reference, rng, name, value):
    found = of(name, shifts(sides(reference), films_of(rng, 40).assign(**{name: value}), LEVEL, LEAST))
    assert found.drifted
    assert found.distance == 1


def test_a_statistic_that_the_reference_does_not_know_is_not_watched(reference, rng):
    reference.films["bytes"] = np.nan
    watched = sides(reference)
    assert "bytes" not in {side.name for side in watched}
    assert shifts(watched, films_of(rng, 30), LEVEL, LEAST)


def test_a_few_refused_films_among_many_are_tested_exactly(reference, rng):
    films = films_of(rng, 60)
    few = films.assign(decision=films["decision"].where(films.index >= 1, "refused"))
    many = films.assign(decision=films["decision"].where(films.index >= 40, "refused"))
    assert not of("decision", shifts(sides(reference), few, LEVEL, LEAST)).drifted
    assert of("decision", shifts(sides(reference), many, LEVEL, LEAST)).drifted


def test_a_trace_of_white_more_or_less_is_no_drift_and_a_white_frame_is(reference, rng):
    reference.films["bright"] = rng.uniform(0, 3e-4, len(reference.films))
    trace, frame = (
        {
            shift.name
            for shift in shifts(sides(reference), films_of(rng, 400).assign(bright=share), LEVEL, LEAST)
            if shift.drifted
        }
        for share in (6e-4, 0.1)
    )
    assert "bright" not in trace
    assert "bright" in frame


def test_one_film_is_judged_without_a_fault(reference, rng):
    assert not any(shift.drifted for shift in shifts(sides(reference), films_of(rng, 1)[:1], LEVEL, LEAST))


def test_films_that_are_all_alike_in_everything_give_no_shift(reference, rng):
    same = films_of(rng, 1)[:1].drop(columns=["patient", "truth"])
    reference.films[same.columns] = np.repeat(same.to_numpy(), len(reference.films), axis=0)
    assert shifts(sides(reference), pd.concat([same] * 60), LEVEL, LEAST) == []


def test_the_distance_is_that_of_scipy_also_with_ties(rng):
    for old, new in ((rng.normal(size=70), rng.normal(size=31)), (rng.integers(0, 4, 50), rng.integers(1, 5, 40))):
        assert kolmogorov_smirnov(old, new) == pytest.approx(ks_2samp(old, new).statistic)


def test_p_values_are_adjusted_as_statsmodels_does(rng):
    p = rng.random(9) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
