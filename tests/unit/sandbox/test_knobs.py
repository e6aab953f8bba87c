import random
from typing import Any

import pytest

from services.sandbox.behaviour import Delay, Limits, Timing
from services.sandbox.clock import SandboxClock
from services.sandbox.faults import Fault, Faults


def faults(known: list[dict[str, Any]] | None = None) -> Faults:
    return Faults(random.Random(1), known or [], lambda fault: None)


def strikes(held: Faults, kind: str, times: int, **where: str) -> int:
    return sum(held.strike(kind, where.get("number"), where.get("person")) is not None for _ in range(times))


def test_a_fault_with_a_count_strikes_that_often() -> None:
    held = faults()
    fault = held.add({"kind": "error", "count": 3, "code": 131000})
    assert strikes(held, "error", 10) == 3
    assert fault.shown() == {
        "id": 1, "kind": "error", "share": 1.0, "count": 3, "phone_number_id": None, "to": None, "fired": 3,
        "code": 131000,
    }  # fmt: skip


def test_a_fault_with_a_share_strikes_about_that_often() -> None:
    held = faults()
    held.add({"kind": "slow", "share": 0.2})
    assert 150 < strikes(held, "slow", 1000) < 250


def test_a_fault_keeps_to_its_number_and_its_recipient() -> None:
    held = faults()
    held.add({"kind": "refuse", "phone_number_id": "1", "to": "+1 555 000 0001"})
    assert strikes(held, "refuse", 1, number="1", person="15550000001") == 1
    assert strikes(held, "refuse", 1, number="1", person="15550000002") == 0
    assert strikes(held, "refuse", 1, number="2", person="15550000001") == 0
    assert strikes(held, "slow", 1, number="1", person="15550000001") == 0


def test_faults_are_taken_back_and_taken_up_again() -> None:
    held = faults()
    fault = held.add({"kind": "slow"})
    again = faults([vars(fault)])
    assert strikes(again, "slow", 1) == 1
    assert isinstance(again.remove(fault.id), Fault)
    assert strikes(again, "slow", 1) == 0
    assert again.add({"kind": "slow"}).id == 2


@pytest.mark.parametrize("wish", [{}, {"kind": "fire"}, {"kind": "slow", "share": 2}, {"kind": "slow", "count": -1}])
def test_a_fault_that_makes_no_sense_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"kind|share|count"):
        faults().add(wish)


def test_timing_takes_constants_and_ranges_and_nothing_else() -> None:
    timing = Timing()
    timing.change({"sent": 2, "delivered": {"min": 1, "max": 3}, "read_share": 1, "review": 0.5, "unknown": "x"})
    assert timing.sent == Delay(2, 2)
    assert timing.shown()["delivered"] == {"min": 1.0, "max": 3.0}
    assert timing.shown()["sent"] == 2.0
    timing.change({"review": None})
    assert timing.review is None
    for wrong in ({"sent": -1}, {"sent": "soon"}, {"read_share": 2}, {"sent": 1, "delivered": {"min": 1}}):
        with pytest.raises(ValueError, match=r"delay|share"):
            timing.change(wrong)
    assert timing.sent == Delay(2, 2)


def test_limits_are_switched_one_by_one() -> None:
    limits = Limits()
    limits.change({"pair_rate": False, "marketing_per_user": 2})
    assert limits.throughput
    assert not limits.pair_rate
    assert limits.marketing_per_user == 2
    with pytest.raises(ValueError, match="true or false"):
        limits.change({"throughput": "no"})


def test_the_clock_moves_as_it_is_told() -> None:
    clock = SandboxClock()
    clock.set({"advance_seconds": 3600})
    clock.set({"advance_seconds": 3600})
    assert clock.now() - clock.machine() == pytest.approx(7200, abs=1)
    clock.set({"now": "2027-01-01T00:00:00Z"})
    assert clock.shown()["now"].startswith("2027-01-01T00:00:0")
    clock.set({"offset_seconds": 0})
    assert clock.now() == pytest.approx(clock.machine(), abs=1)
    with pytest.raises(ValueError, match="give one of"):
        clock.set({})
