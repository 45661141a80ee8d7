"""`demo`: the whole of Skillport on this machine, with two organizations to try it on."""

import os
import signal
import sys
from argparse import ArgumentParser
from types import FrameType
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand

from skillport.demo.options import add_arguments
from skillport.demo.surroundings import Surroundings, prepared
from skillport.errors import SkillportError


class Command(BaseCommand):
    help = (
        "Start everything on this machine: PostgreSQL, a git host, worker and server, with two organizations."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *_: Any, **__: Any) -> None:
        if not prepared:
            raise SystemExit("Start the demo with: python3 manage.py demo")
        here = prepared[0]
        # The one place that switches this on. The settings have no name for it in the environment, so that nothing but
        # this command, which listens on loopback only, can let people choose who they are.
        settings.DEMO_SIGN_IN = True
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # also when somebody pipes it
        # Before the server has its own handlers: a signal while the demo is being made still stops everything.
        signal.signal(signal.SIGTERM, _leave)
        # A shell lets what it starts in the background ignore this one.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            code = self._once(here) if here.options.once else self._serve(here)
        except KeyboardInterrupt:
            code = 130
        _end_at_once(code)

    def _once(self, here: Surroundings) -> int:
        from skillport.demo.main_job import run  # imports models: Django must be ready

        return run(here)

    def _serve(self, here: Surroundings) -> int:
        from skillport.demo.announce import announce  # imports models: Django must be ready
        from skillport.demo.seed import SyncDidNotSucceed, seed, write_demo_file
        from skillport.demo.serving import make_server, stop_on_signals, worker_running

        try:
            with worker_running(here):
                self.stdout.write("Making two organizations, each with its own private repository …")
                seeded = seed(here, self.stdout.write)
                file = write_demo_file(here, seeded)
                server = make_server(here, lambda: announce(here, seeded, file, self.stdout.write))
                stop_on_signals(server)
                server.run()
                self.stdout.write("Stopping …")
        except SyncDidNotSucceed as error:
            self.stderr.write(f"The repository could not be imported: {error}")
            return 1
        except SkillportError as error:
            self.stderr.write(error.message)
            return 1
        return 0


def _end_at_once(code: int) -> NoReturn:
    """Leave without waiting for threads: everything that has to be ended in order has been, and a sync that still
    waits for a slow host would hold the process until that host answers."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
