from __future__ import annotations

from gifcue.workers.activity import Activity
from gifcue.workers.restart_policy import (
    FAILED_AFTER_STARTS,
    HEALTHY_AFTER_S,
    SHORT_PAUSE_MAX_S,
    RestartPauses,
    Watchdog,
    WatchdogAction,
)
from gifcue.workers.settings import SupervisionSettings


class TestRestartPauses:
    SETTINGS = SupervisionSettings(backoff_initial_s=1.0, backoff_max_s=5.0)

    def test_a_worker_that_was_ready_is_restarted_at_once_and_then_after_short_pauses(self) -> None:
        pauses = RestartPauses(self.SETTINGS)
        seen = []
        for _ in range(5):
            pauses.ready(0.0)
            seen.append(pauses.lost(1.0, was_started=True))
        assert seen == [0.0, 1.0, SHORT_PAUSE_MAX_S, SHORT_PAUSE_MAX_S, SHORT_PAUSE_MAX_S]
        assert not pauses.has_failed

    def test_pauses_after_failed_starts_double_up_to_the_longest_and_never_end(self) -> None:
        pauses = RestartPauses(self.SETTINGS)
        assert [pauses.lost(0.0, was_started=True) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
        assert all(pauses.lost(0.0, was_started=True) == 5.0 for _ in range(5000))

    def test_a_process_that_the_system_refuses_is_tried_again_soon(self) -> None:
        pauses = RestartPauses(self.SETTINGS)
        assert [pauses.lost(0.0, was_started=False) for _ in range(4)] == [1.0, 2.0, 2.0, 2.0]

    def test_a_healthy_life_makes_the_next_loss_a_first_one(self) -> None:
        pauses = RestartPauses(self.SETTINGS)
        for _ in range(5):
            pauses.lost(0.0, was_started=True)
        pauses.ready(10.0)
        assert pauses.lost(10.0 + HEALTHY_AFTER_S, was_started=True) == 0.0

    def test_failed_starts_in_a_row_are_a_failure_until_one_succeeds(self) -> None:
        pauses = RestartPauses(self.SETTINGS)
        for _ in range(FAILED_AFTER_STARTS - 1):
            pauses.lost(0.0, was_started=True)
        assert not pauses.has_failed
        pauses.lost(0.0, was_started=True)
        assert pauses.has_failed
        pauses.ready(1.0)
        assert not pauses.has_failed


class Machine:
    """A worker under a watchdog, second by second. Pings are answered where `answers`."""

    def __init__(self, *, is_starting: bool = False) -> None:
        settings = SupervisionSettings(ping_interval_s=1.0, stuck_after_s=4.0, max_silent_cpu_s=30.0)
        self.now_s = 0.0
        self.cpu_s = 0.0
        self.watchdog = Watchdog(settings, 0.0, is_starting=is_starting)
        assert self.watchdog.tick_s == 0.25

    def run(
        self,
        seconds: float,
        *,
        share: float = 0.0,
        runnable: bool = False,
        stopped: bool = False,
        known: bool = True,
        answers: bool = False,
    ) -> tuple[WatchdogAction, float]:
        """The first action that is no ping, and how many seconds it took; NOTHING where there is none."""
        began_s = self.now_s
        while self.now_s - began_s < seconds:
            self.now_s += self.watchdog.tick_s
            self.cpu_s += share * self.watchdog.tick_s
            activity = Activity(self.cpu_s, runnable, stopped) if known else None
            action = self.watchdog.tick(self.now_s, activity)
            if action is WatchdogAction.PING:
                if answers:
                    self.watchdog.heard()
            elif action is not WatchdogAction.NOTHING:
                return action, self.now_s - began_s
        return WatchdogAction.NOTHING, seconds


class TestWatchdog:
    def test_an_idle_worker_that_answers_is_never_stuck(self) -> None:
        assert Machine().run(1000.0, answers=True) == (WatchdogAction.NOTHING, 1000.0)

    def test_a_silent_worker_without_cpu_time_is_stuck(self) -> None:
        machine = Machine()
        machine.run(100.0, answers=True)
        action, after_s = machine.run(100.0)
        assert action is WatchdogAction.STUCK
        assert after_s <= 4.25

    def test_a_worker_stopped_by_a_signal_is_told_apart(self) -> None:
        action, after_s = Machine().run(100.0, stopped=True)
        assert action is WatchdogAction.STOPPED
        assert after_s <= 4.25

    def test_a_worker_that_waits_for_a_busy_cpu_is_not_stuck(self) -> None:
        assert Machine().run(1000.0, runnable=True)[0] is WatchdogAction.NOTHING

    def test_a_worker_that_gets_a_tenth_of_a_cpu_is_not_stuck(self) -> None:
        assert Machine().run(200.0, share=0.1)[0] is WatchdogAction.NOTHING

    def test_a_worker_that_hangs_after_hard_work_is_stuck(self) -> None:
        machine = Machine()
        machine.run(3.0, share=1.0)
        action, after_s = machine.run(100.0)
        assert action is WatchdogAction.STUCK
        assert after_s <= 4.5

    def test_endless_work_is_ended_by_its_cpu_time(self) -> None:
        machine = Machine()
        machine.run(50.0, share=1.0, answers=True)
        action, after_s = machine.run(100.0, share=1.0, runnable=True)
        assert action is WatchdogAction.ENDLESS
        assert 30.0 < after_s <= 30.5

    def test_half_a_cpu_takes_twice_as_long_to_be_endless(self) -> None:
        action, after_s = Machine().run(100.0, share=0.5, runnable=True)
        assert action is WatchdogAction.ENDLESS
        assert after_s > 60.0

    def test_without_knowledge_of_the_process_patience_is_five_times_as_long(self) -> None:
        action, after_s = Machine().run(100.0, known=False)
        assert action is WatchdogAction.STUCK
        assert 20.0 <= after_s <= 20.5

    def test_a_start_may_wait_five_times_as_long_and_is_not_pinged(self) -> None:
        action, after_s = Machine(is_starting=True).run(100.0)
        assert action is WatchdogAction.STUCK
        assert 20.0 <= after_s <= 20.5
        assert Machine(is_starting=True).run(1000.0, share=1.0)[0] is WatchdogAction.NOTHING

    def test_a_delay_of_the_front_makes_no_worker_stuck(self) -> None:
        machine = Machine()
        machine.now_s = 3600.0
        assert machine.run(3.0)[0] is WatchdogAction.NOTHING
