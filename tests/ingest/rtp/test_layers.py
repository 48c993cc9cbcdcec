from __future__ import annotations

from gifcue.ingest.rtp.layers import SILENCE_S, STEADY_S, LayerChoice


def flow(choice: LayerChoice, layers: tuple[int, ...], begin_s: float, seconds: float) -> list[int]:
    """Which layer was in use after each tenth of a second, in which a packet of each of `layers` came."""
    used = []
    for tick in range(round(seconds * 10)):
        for layer in layers:
            taken = choice.take(layer, begin_s + tick / 10)
            assert taken is (layer == choice.current)
        used.append(choice.current)
    return used


def test_the_wanted_layer_is_used_from_the_beginning() -> None:
    assert set(flow(LayerChoice(1), (0, 1), 0.0, 5.0)) == {1}


def test_a_layer_that_stops_is_replaced_by_the_one_below() -> None:
    choice = LayerChoice(1)
    flow(choice, (0, 1), 0.0, 3.0)
    used = flow(choice, (0,), 3.0, 3.0)
    at = used.index(0)
    assert SILENCE_S <= at / 10 + 0.1 <= SILENCE_S + 0.2
    assert set(used[at:]) == {0}


def test_a_layer_that_never_comes_is_not_waited_for() -> None:
    choice = LayerChoice(2)
    used = flow(choice, (0,), 0.0, 3.0)
    assert used[0] == 2
    assert used[-1] == 0


def test_a_better_layer_is_used_again_once_it_is_steady() -> None:
    choice = LayerChoice(1)
    flow(choice, (0,), 0.0, 3.0)
    used = flow(choice, (0, 1), 3.0, 4.0)
    at = used.index(1)
    assert STEADY_S <= at / 10 <= STEADY_S + 0.2
    assert set(used[at:]) == {1}


def test_a_better_layer_that_comes_and_goes_is_not_used() -> None:
    choice = LayerChoice(1)
    flow(choice, (0,), 0.0, 3.0)
    at_s = 3.0
    for _ in range(4):
        assert set(flow(choice, (0, 1), at_s, STEADY_S - 0.5)) == {0}
        at_s += STEADY_S - 0.5
        assert set(flow(choice, (0,), at_s, SILENCE_S + 0.5)) == {0}
        at_s += SILENCE_S + 0.5
