"""The size of a student: budgets, and the widest network within them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tfgan2.distillation import budget as module
from tfgan2.distillation.budget import Budget, Cost, student_of_latents, widest, widths
from tfgan2.errors import UserError
from tfgan2.export import ExportSpec


def test_limits_are_read() -> None:
    limits = Budget.parse(["300KB", "2.5 ms", "20MFLOPs"]).limits
    assert limits == {"bytes": 300_000, "milliseconds": 2.5, "flops": 20_000_000}
    assert Budget.parse(["0.3mb"]).limits == {"bytes": 300_000}
    assert Budget.parse(["1gflop"]).limits == {"flops": 1e9}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "budget is missing: give one like 300KB, 3ms or 20MFLOP"),
        (["300"], "must be like 300KB, 3ms or 20MFLOP, not '300'"),
        (["0KB"], "not '0KB'"),
        (["3M"], "not '3M'"),
        (["-3ms"], "not '-3ms'"),
        (["3 parsec"], "not '3 parsec'"),
        (["3ms", "4ms"], "two limits of milliseconds"),
    ],
)
def test_other_texts_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Budget.parse(texts)


def test_the_deepest_stages_are_cut_first() -> None:
    pairs = list(widths())
    assert pairs[:4] == [(64, 512), (64, 256), (64, 128), (64, 64)]
    assert pairs[4][0] < 64 and pairs[-1] == (4, 4)


@pytest.fixture
def student() -> Callable[[int, int], ExportSpec]:
    return partial(student_of_latents, (16, 16, 1), 6, "normal", ("a", "b", "c"))


def test_the_narrowest_is_measured(
    student: Callable[[int, int], ExportSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BASES", (4,))
    monkeypatch.setattr(module, "_measured", lambda spec, flops: Cost(9000, 1.5, 2_000_000))
    lines: list[str] = []
    with pytest.raises(UserError, match=r"it needs 9 KB and 1\.50 ms in int8, 2\.0 MFLOP"):
        widest(Budget.parse(["1KB"]), student, lines.append)
    assert [line.split(":")[0] for line in lines] == ["student of 4 to 4 channels"]


@pytest.mark.slow
def test_the_widest_student_within_a_budget(
    student: Callable[[int, int], ExportSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BASES", (24, 16, 8))
    lines: list[str] = []
    values, cost = widest(Budget.parse(["50KB"]), student, lines.append)
    assert cost.bytes <= 50_000 and cost.flops > 0 and cost.milliseconds > 0
    assert lines[-1].startswith(f"student of {values['base_channels']} to {values['max_channels']}")
    # The next wider one is larger, though it may only have been predicted.
    wider = list(widths())[list(widths()).index(tuple(values.values())) - 1]
    assert module._measured(student(*wider), 0).bytes > 50_000


@pytest.mark.slow
def test_time_bounds_what_is_measured(
    student: Callable[[int, int], ExportSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def slow(spec: object, flops: int) -> Cost:
        measured.append(flops)
        return Cost(1000, flops / 1e6, flops)

    monkeypatch.setattr(module, "_measured", slow)
    monkeypatch.setattr(module, "_BASES", (8, 4))
    values, cost = widest(Budget.parse(["0.3ms"]), student)
    assert cost.milliseconds <= 0.3 and measured == sorted(measured, reverse=True)
    assert widest(Budget.parse([f"{cost.flops / 1e6:.6f}MFLOP"]), student)[0] == values
    with pytest.raises(UserError, match="even the smallest student exceeds the budget"):
        widest(Budget.parse(["0.9KB"]), student)
