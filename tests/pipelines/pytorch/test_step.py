import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import torch

from pipelines.pytorch.network import TorchCnn
from pipelines.pytorch.state import weights_of
from pipelines.pytorch.step import Step, loss
from tests.pipelines.pytorch.patches import NOTHING, SIZES, SLIGHT, draw, numbers, picture


def stepper(outputs=1, augment=NOTHING, **changed):
    torch.manual_seed(0)
    return Step(TorchCnn(SIZES, picture(), outputs), augment, numbers(**changed))


def batch(count=8, weight=1.0):
    data = draw(count)
    return torch.from_numpy(data.images), torch.from_numpy(data.targets), torch.full((count,), weight)


def moved(before, after):
    return max(np.abs(after[name] - before[name]).max() for name in before)


def test_the_loss_of_two_classes_is_the_cross_entropy_of_the_positive_one():
    logits = torch.tensor([[2.0], [-1.0]])
    chance = 1 / (1 + np.exp([-2.0, 1.0]))
    assert loss(logits, torch.tensor([1, 0]), 0.0).numpy() == pytest.approx(
        -np.log([chance[0], 1 - chance[1]]), rel=1e-5
    )
    smoothed = -(0.9 * np.log(chance[0]) + 0.1 * np.log(1 - chance[0]))
    assert loss(logits[:1], torch.tensor([1]), 0.2).item() == pytest.approx(smoothed, rel=1e-5)


def test_label_smoothing_spreads_a_share_of_the_target_over_all_classes():
    chance = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    found = loss(torch.from_numpy(np.log(chance)), torch.tensor([0, 2]), 0.3)
    spread = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    assert found.numpy() == pytest.approx(-(spread * np.log(chance)).sum(axis=1))


def test_a_weight_counts_as_often_as_it_says():
    images, targets, _ = batch(4)
    weighed, repeated = stepper(), stepper()
    for step in (weighed, repeated):
        step.network.eval()  # without dropout
    told = weighed(images, targets, torch.tensor([2.0, 1.0, 1.0, 0.0]), 0.01)
    order = torch.tensor([0, 0, 1, 2])
    meant = repeated(images[order], targets[order], torch.ones(4), 0.01)
    assert told.item() == pytest.approx(meant.item(), rel=1e-5)
    assert moved(weights_of(weighed.network), weights_of(repeated.network)) < 1e-4


def test_the_rate_is_that_of_the_step():
    step = stepper()
    before = weights_of(step.network)
    step(*batch(), 0.0)
    assert moved(before, weights_of(step.network)) == 0
    step(*batch(), 0.01)
    assert 0.001 < moved(before, weights_of(step.network)) < 0.02


def test_weight_decay_shrinks_weights_whatever_their_gradient():
    step = stepper(weight_decay=0.5)
    before = weights_of(step.network)
    step(*batch(weight=0.0), 0.1)
    after = weights_of(step.network)
    assert all(after[name] == pytest.approx(0.95 * before[name], rel=1e-5) for name in before)


def test_without_weight_decay_nothing_shrinks():
    step = stepper(weight_decay=0.0)
    before = weights_of(step.network)
    step(*batch(weight=0.0), 0.1)
    assert moved(before, weights_of(step.network)) == 0


def test_a_longer_gradient_is_clipped():
    step = stepper(clip_norm=0.01)
    step(*batch(weight=100.0), 0.0)
    gradients = torch.cat([weight.grad.flatten() for weight in step.network.parameters()])
    assert gradients.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_bfloat16_is_the_arithmetic_and_weights_stay_float32():
    seen = []
    step = stepper(precision="bfloat16")
    step.network.body[0].register_forward_hook(lambda module, given, found: seen.append(found.dtype))
    before = weights_of(step.network)
    assert step(*batch(), 0.01).dtype == torch.float32
    assert seen == [torch.bfloat16]
    assert {weight.dtype for weight in step.network.parameters()} == {torch.float32}
    assert moved(before, weights_of(step.network)) > 0.001


def test_a_step_goes_on_where_another_one_was():
    one, two = stepper(augment=SLIGHT), stepper(augment=SLIGHT, seed=5)
    one(*batch(), 0.01)
    two.network.load_state_dict(one.network.state_dict())
    arrays, told = one.state()
    kept = {name: array.copy() for name, array in arrays.items()}
    one(*batch(), 0.01)
    two.restore(kept, told)
    two(*batch(), 0.01)
    assert moved(weights_of(one.network), weights_of(two.network)) == 0
