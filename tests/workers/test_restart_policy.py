from __future__ import annotations

from gifcue.workers.restart_policy import RestartBudget, Watchdog, WatchdogAction
from gifcue.workers.settings import SupervisionSettings


class TestRestartBudget:
    def test_pauses_double_up_to_the_longest(self) -> None:
        budget = RestartBudget(SupervisionSettings(backoff_initial_s=1.0, backoff_max_s=5.0))
        assert [budget.spend(0.0) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]

    def test_more_than_five_failures_in_sixty_seconds_are_too_many(self) -> None:
        budget = RestartBudget(SupervisionSettings())
        assert all(budget.spend(10.0 * number) is not None for number in range(5))
        assert budget.spend(59.0) is None

    def test_old_failures_are_forgotten(self) -> None:
        budget = RestartBudget(SupervisionSettings(backoff_initial_s=0.1))
        for _ in range(5):
            budget.spend(0.0)
        assert budget.spend(60.0) == 0.1


class TestWatchdog:
    SETTINGS = SupervisionSettings(ping_interval_s=1.0, stuck_after_s=4.0)

    def run(self, seconds: range, watchdog: Watchdog) -> list[WatchdogAction]:
        return [watchdog.tick(float(second)) for second in seconds]

    def test_a_worker_that_answers_is_never_stuck(self) -> None:
        watchdog = Watchdog(self.SETTINGS, 0.0)
        for second in range(1, 100):
            assert watchdog.tick(float(second)) is WatchdogAction.PING
            watchdog.heard(pong=True)

    def test_a_silent_worker_is_stuck(self) -> None:
        watchdog = Watchdog(self.SETTINGS, 0.0)
        actions = self.run(range(1, 6), watchdog)
        assert actions == [
            WatchdogAction.PING,
            WatchdogAction.NOTHING,
            WatchdogAction.NOTHING,
            WatchdogAction.NOTHING,
            WatchdogAction.STUCK,
        ]

    def test_a_worker_with_a_long_queue_is_not_stuck(self) -> None:
        watchdog = Watchdog(self.SETTINGS, 0.0)
        watchdog.tick(1.0)
        for second in range(2, 100):
            assert watchdog.tick(float(second)) is WatchdogAction.NOTHING
            watchdog.heard(pong=False)

    def test_a_delay_of_the_front_makes_no_worker_stuck(self) -> None:
        watchdog = Watchdog(self.SETTINGS, 0.0)
        watchdog.tick(1.0)
        assert watchdog.tick(3600.0) is WatchdogAction.NOTHING
