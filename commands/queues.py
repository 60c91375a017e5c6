"""``run_flow.py queue``, ``dlq`` and ``quarantine``: look at messages, send again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from commands.app import CommandFailed, Debug, DryRun, Rate, app
from commands.letters import print_letter, show_depths, show_letters, show_reasons
from commands.tables import say

if TYPE_CHECKING:
    from flows.steering.places import Place, Places

_RAISES = (
    "Each message that is looked at is given back at once at the end, also on Ctrl-C; "
    "its receive count (ApproximateReceiveCount) rises by one."
)
#: A reason to give as an example.
_REASON: dict[Place, str] = {"dlq": "unknown", "quarantine": "404"}
_Reason = Annotated[
    str | None, typer.Option(help="Only with this in stage and reason.")
]
_Age = Annotated[
    str | None,
    typer.Option(
        metavar="AGE",
        help="Only first sent so long ago: 30m, 2h, 7d.",
    ),
]
_Count = Annotated[
    int, typer.Option(min=1, max=10_000, help="Look at no more messages than so many.")
]

queue_app = typer.Typer(
    help="Look at the work queue.",
    epilog="Example: python run_flow.py queue stats",
    no_args_is_help=True,
)
app.add_typer(queue_app, name="queue")


@queue_app.command(epilog="Example: python run_flow.py queue stats")
def stats(debug: Debug = False) -> None:
    """Show how many messages the queues have: work, dead letters, quarantine."""
    show_depths(_places().depths())


@queue_app.command(
    epilog="Example: python run_flow.py queue peek --count 5",
    help="Show messages of the work queue, which stay on it.\n\n"
    f"{_RAISES} That brings a message one receive nearer to the dead-letter queue, and "
    "no worker gets it while it is looked at: keep --count small.",
)
def peek(
    count: Annotated[
        int, typer.Option(min=1, max=100, help="Look at no more than so many.")
    ] = 10,
    debug: Debug = False,
) -> None:
    """Show messages of the work queue, which stay on it."""
    places = _places()
    most = places.depth("queue").max_receive_count
    found = places.cases("queue", count)
    show_letters("on the work queue", found, reasons=False)
    if most is not None:
        last = sum(case.letter.receive_count >= most for case in found)
        note = f"; {last} of them are dead-lettered next" if last else ""
        say(f"{len(found)} messages have one receive more of {most}{note}")


def _put_aside(name: str, place: Place, what: str) -> None:
    """Add the commands of a queue that messages are put aside on."""
    group = typer.Typer(
        help=f"Look at {what}, and send messages round again.",
        epilog=f"Example: python run_flow.py {name} redrive --dry-run",
        no_args_is_help=True,
    )
    app.add_typer(group, name=name)
    _add_list(group, name, place, what)
    _add_show(group, name, place)
    _add_redrive(group, name, place, what)


def _add_list(group: typer.Typer, name: str, place: Place, what: str) -> None:
    @group.command(
        "list",
        epilog=f"Example: python run_flow.py {name} list",
        help=f"Show the messages of {what}, their reasons counted.\n\n{_RAISES}",
    )
    def list_(count: _Count = 100, debug: Debug = False) -> None:
        places = _places(place)
        total = places.depth(place).total
        found = places.cases(place, count)
        show_letters(f"{len(found)} of about {total} messages", found)
        show_reasons(found)


def _add_show(group: typer.Typer, name: str, place: Place) -> None:
    @group.command(
        epilog=f"Example: python run_flow.py {name} show 8b1f7a52",
        help="Show one message whole, as JSON, by its id or the beginning of it.\n\n"
        f"{_RAISES} So does that of each message that is received before it.",
    )
    def show(
        id: Annotated[str, typer.Argument(help="The message's id, 4 letters or more.")],
        count: _Count = 10_000,
        debug: Debug = False,
    ) -> None:
        if len(id) < 4:
            raise typer.BadParameter(f"{id!r}: expected 4 letters of an id or more")
        found = _places(place).cases(place, count, id=id)
        if not found or not found[-1].letter.message_id.startswith(id):
            raise CommandFailed(f"no message {id!r} among the {len(found)} looked at")
        print_letter(found[-1])


def _add_redrive(group: typer.Typer, name: str, place: Place, what: str) -> None:
    @group.command(
        epilog=f"Example: python run_flow.py {name} redrive --reason {_REASON[place]} "
        "--older-than 2h --rate 50",
        help=f"Send messages of {what} to the work queue again.\n\n"
        "Each is deleted here only after the work queue has confirmed it. Prints what "
        "was done as one line of JSON; ends with 1 if a message failed, or if some "
        "were not seen, since others hold them.\n\n"
        f"{_RAISES} What is not meant stays hidden until the end.",
    )
    def redrive(
        reason: _Reason = None,
        older_than: _Age = None,
        rate: Rate = None,
        dry_run: DryRun = False,
        debug: Debug = False,
    ) -> None:
        from commands.redriving import redrive as run

        run(_places(place), place, reason, older_than, rate, dry_run=dry_run)


def _places(place: Place = "queue") -> Places:
    """Return the queues, from the settings; ends with 2 where one is not set."""
    from flows.signals import interrupt_at_sigterm
    from flows.start import fail, load_settings
    from flows.steering.places import Places

    settings = load_settings()
    if place == "quarantine" and settings.quarantine_queue_url is None:
        fail(
            "QUARANTINE_QUEUE_URL: missing, expected the quarantine's queue; without "
            f"one malformed messages lie in {settings.quarantine_path}",
            code=2,
        )
    interrupt_at_sigterm()
    return Places(settings)


_put_aside("dlq", "dlq", "the dead-letter queue")
_put_aside("quarantine", "quarantine", "the quarantine")
