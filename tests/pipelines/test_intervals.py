import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from pipelines.intervals import (
    auc,
    auc_error,
    auc_parts,
    average_precision,
    effective_size,
    mean,
    proportion,
    wilson,
)

ALONE = np.arange(400)


def by_patient(figure, patients, rng, repeats=600):
    """The ends of the middle 95 % of a figure over sets of patients drawn with replacement."""
    images = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    drawn = [
        figure(np.concatenate([images[k] for k in rng.integers(0, len(images), len(images))])) for _ in range(repeats)
    ]
    return np.quantile(drawn, [0.025, 0.975])


@pytest.fixture
def overlapping(rng):
    positive = np.arange(400) % 3 == 0
    return positive, np.round(rng.normal(positive * 1.2, 1.0), 1)


@pytest.fixture
def families(rng):
    """Three films of each of 200 patients, alike within a patient: truth, score, patients."""
    patients = np.repeat(np.arange(200), 3)
    positive = patients % 3 == 0
    score = rng.normal(positive * 1.2, 0.6) + np.repeat(rng.normal(0, 0.8, 200), 3)
    return positive, score, patients


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(220, 234, 0.902, 0.964), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0)],
)
def test_a_proportion_has_the_interval_of_wilson(count, n, low, high):
    assert wilson(count, n) == pytest.approx((low, high), abs=5e-4)


def test_wilson_1998_worked_example_of_newcombe():
    """Newcombe 1998 (Statistics in Medicine 17, 857), table I."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_a_proportion_of_nothing_has_no_interval():
    assert wilson(0, 0) is None
    nothing = proportion(np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, int))
    assert (nothing.value, nothing.low, nothing.n) == (None, None, 0)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 0.94, 1.0])
def test_of_one_image_a_patient_a_proportion_is_that_of_statsmodels(share):
    hits = np.arange(400) < 400 * share
    found = proportion(hits, np.ones(400, bool), ALONE)
    low, high = proportion_confint(hits.sum(), 400, method="wilson")
    assert (found.low, found.high) == pytest.approx((max(low, 0), min(high, 1)), abs=1e-12)


def test_images_of_a_patient_that_all_agree_count_as_one():
    patients = np.repeat(np.arange(60), 4)
    few, many = t.ppf(0.975, 59), t.ppf(0.975, 239)
    size = effective_size((patients % 3 == 0).astype(float), patients)
    assert size == pytest.approx(60 * (many / few) ** 2, rel=0.02)
    assert effective_size(np.ones(240), patients) == 60


def test_images_of_a_patient_that_have_nothing_in_common_count_in_full(rng):
    sizes = [effective_size((rng.random(600) < 0.3).astype(float), np.repeat(np.arange(200), 3)) for _ in range(50)]
    assert 530 < np.mean(sizes) <= 600


def test_a_proportion_agrees_with_drawing_patients(families, rng):
    positive, score, patients = families
    hits = score > 0.6
    found = proportion(hits, positive, patients)
    ends = by_patient(lambda of: hits[of][positive[of]].mean(), patients, rng)
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=0.02)
    assert found.high - found.low > 1.3 * np.subtract(*wilson(found.value * found.n, found.n)[::-1])


def test_delong_by_hand():
    """Positives 3, 2, 5 against negatives 1, 2: they beat 2, 1.5 and 2 of the 2, in all 5.5 of 6."""
    positive = np.array([1, 1, 1, 0, 0], dtype=bool)
    parts = auc_parts(positive, np.array([3.0, 2.0, 5.0, 1.0, 2.0]))
    assert parts.value == pytest.approx(5.5 / 6)
    of_positives = np.var([1.0, 0.75, 1.0], ddof=1) / 3
    of_negatives = np.var([1.0, 2.5 / 3], ddof=1) / 2
    assert auc_error(parts, positive, np.arange(5)) ** 2 == pytest.approx(of_positives + of_negatives, abs=1e-15)


def obuchowski(positive, score, patients):
    """The variance by the formulas of the paper, pair by pair."""
    wins = (score[positive][:, None] > score[~positive]) + 0.5 * (score[positive][:, None] == score[~positive])
    theta, m, n = wins.mean(), positive.sum(), (~positive).sum()
    a, b = {}, {}
    for value, owner in zip(wins.mean(axis=1) - theta, patients[positive], strict=True):
        a[owner] = a.get(owner, 0.0) + value
    for value, owner in zip(wins.mean(axis=0) - theta, patients[~positive], strict=True):
        b[owner] = b.get(owner, 0.0) + value
    both = len(set(a) | set(b))
    s10 = len(a) / ((len(a) - 1) * m) * sum(value**2 for value in a.values())
    s01 = len(b) / ((len(b) - 1) * n) * sum(value**2 for value in b.values())
    s11 = both / (both - 1) * sum(a[owner] * b[owner] for owner in set(a) & set(b))
    return s10 / m + s01 / n + 2 * s11 / (m * n)


def test_the_error_of_an_area_over_patients_is_that_of_obuchowski(rng):
    patients = rng.integers(0, 40, 150)
    positive = rng.random(150) < 0.4
    score = np.round(rng.normal(positive, 1.0) + patients / 40, 1)
    found = auc_error(auc_parts(positive, score), positive, patients)
    assert found**2 == pytest.approx(obuchowski(positive, score, patients), abs=1e-12)


def test_the_area_is_that_of_scikit_learn_ties_included(overlapping):
    assert auc(*overlapping, ALONE).value == pytest.approx(roc_auc_score(*overlapping), abs=1e-12)


def test_the_interval_of_the_area_agrees_with_drawing_patients(families, rng):
    positive, score, patients = families
    found = auc(positive, score, patients)
    ends = by_patient(lambda of: roc_auc_score(positive[of], score[of]), patients, rng)
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=0.012)
    assert found.high - found.low > 1.2 * np.subtract(
        *(getattr(auc(positive, score, np.arange(600)), e) for e in ("high", "low"))
    )


def test_average_precision_is_that_of_scikit_learn_ties_included(overlapping):
    assert average_precision(*overlapping, ALONE).value == pytest.approx(
        average_precision_score(*overlapping), abs=1e-12
    )


def test_the_interval_of_average_precision_agrees_with_drawing_patients(families, rng):
    positive, score, patients = families
    found = average_precision(positive, score, patients)
    ends = by_patient(lambda of: average_precision_score(positive[of], score[of]), patients, rng)
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=0.02)


def test_what_an_image_adds_to_average_precision_is_its_derivative(overlapping):
    """Weight a little more on one image, and the figure moves by its influence, whose standard error is reported."""
    positive, score = overlapping
    weights, moved = np.ones(400), []
    for image in range(400):
        heavier = weights.copy()
        heavier[image] += 1e-6
        change = average_precision_score(positive, score, sample_weight=heavier) - average_precision_score(
            positive, score
        )
        moved.append(change / 1e-6)
    error = np.sqrt(400 / 399 * np.square(moved).sum())
    found = average_precision(positive, score, ALONE)
    half = (np.log(found.high / (1 - found.high)) - np.log(found.low / (1 - found.low))) / 2
    assert half == pytest.approx(1.96 * error / (found.value * (1 - found.value)), rel=0.02)


def test_a_mean_agrees_with_drawing_patients(families, rng):
    values = 1 / (1 + np.exp(-families[1]))
    found = mean(values, families[2])
    ends = by_patient(lambda of: values[of].mean(), families[2], rng)
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=0.012)


def test_a_perfect_area_is_not_certain():
    positive = np.arange(40) < 20
    found = auc(positive, positive.astype(float), np.arange(40))
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.7 < found.low < 0.99


def test_one_score_for_all_tells_nothing_apart():
    found = auc(np.arange(40) < 20, np.full(40, 0.3), np.arange(40))
    assert found.value == 0.5
    assert found.low < 0.4 < 0.6 < found.high


def test_more_films_prove_more():
    few, many = np.arange(40) < 20, np.arange(400) < 200
    assert auc(few, few * 1.0, np.arange(40)).low < auc(many, many * 1.0, ALONE).low


def test_one_class_alone_has_no_area():
    assert auc(np.ones(4, dtype=bool), np.arange(4.0), np.arange(4)).value is None


def test_one_patient_alone_proves_next_to_nothing():
    found = proportion(np.array([1, 1, 0, 1], bool), np.ones(4, bool), np.zeros(4, int))
    assert found.value == 0.75
    assert found.low < 0.2


@pytest.mark.parametrize("seed", range(8))
def test_every_interval_holds_its_figure_and_stays_between_0_and_1(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    positive, score, patients = rng.random(n) < 0.5, np.round(rng.random(n), int(seed % 3)), rng.integers(0, n, n)
    estimates = [auc(positive, score, patients), average_precision(positive, score, patients)]
    estimates += [proportion(score > 0.5, positive, patients), mean(score, patients)]
    for found in estimates:
        if found.value is not None:
            assert 0 <= found.low <= found.value <= found.high <= 1


def test_f1_is_that_of_scikit_learn(overlapping, rng):
    from pipelines.evaluation.rest import Calls, f1

    positive, score = overlapping
    found = f1(Calls(positive, score > 0.5, score, ALONE))
    assert found.value == pytest.approx(f1_score(positive, score > 0.5), abs=1e-12)
    ends = by_patient(lambda of: f1_score(positive[of], score[of] > 0.5), ALONE, rng, repeats=300)
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=0.02)
