"""`demo`: the whole of Skillport on this machine, with two organizations to try it on."""

import signal
import sys
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from skillport.demo.options import add_arguments
from skillport.demo.surroundings import Surroundings, prepared


class Command(BaseCommand):
    help = "Start everything on this machine: PostgreSQL, a git host, worker and server, with two organizations."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *_: Any, **__: Any) -> None:
        if not prepared:
            raise SystemExit("Start the demo with: python3 manage.py demo")
        here = prepared[0]
        # Before the server has its own handlers: a signal while the demo is being made still stops everything.
        signal.signal(signal.SIGTERM, _leave)
        if here.options.once:
            sys.exit(self._once(here))
        self._serve(here)

    def _once(self, here: Surroundings) -> int:
        from skillport.demo.main_job import run  # imports models: Django must be ready

        return run(here)

    def _serve(self, here: Surroundings) -> None:
        from skillport.demo.announce import announce  # imports models: Django must be ready
        from skillport.demo.seed import SyncDidNotSucceed, seed, write_demo_file
        from skillport.demo.serving import make_server, stop_on_signals, worker_running

        try:
            with worker_running(here):
                self.stdout.write("Making two organizations, each with its own private repository …")
                seeded = seed(here, self.stdout.write)
                server = make_server(here)
                stop_on_signals(server)
                announce(here, seeded, write_demo_file(here, seeded), self.stdout.write)
                server.run()
                self.stdout.write("Stopping …")
        except SyncDidNotSucceed as error:
            raise SystemExit(f"The repository could not be imported: {error}") from None
        except KeyboardInterrupt:
            raise SystemExit(130) from None


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
