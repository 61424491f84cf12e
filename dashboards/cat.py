"""``vigil cat``: what stands in Kafka, as JSON lines (see ``lines.py`` for their form)."""

from __future__ import annotations

from collections.abc import Callable

from dashboards.lines import TOPIC_OF, lines
from runtime.kafka import Reader, describe
from runtime.settings import Settings
from vitals.errors import InputError, StateError

POLL_SECONDS = 1.0


async def cat(
    settings: Settings,
    what: str,
    write: Callable[[str], object],
    *,
    follow: bool = False,
    limit: int | None = None,
) -> int:
    """Hand every line of a topic, from its beginning, to ``write``; the number of lines.

    Ends at the log's end as it was at the start (``follow``: never), or after ``limit`` lines. Lines of one
    partition come in log order; partitions are mixed. ``what`` is a key of `lines.TOPIC_OF`.

    Raises:
        InputError: there is no such thing to show.
        StateError: the topic does not exist yet.
    """
    if what not in TOPIC_OF:
        raise InputError("nothing of that name to show", what, "one of " + ", ".join(TOPIC_OF))
    topic = TOPIC_OF[what]
    found = await describe(settings)
    if topic not in found:
        raise StateError("topic is missing", topic, "run vigil migrate")
    written = 0
    async with Reader(settings, [(topic, partition) for partition in range(found[topic])]) as reader:
        ends = await reader.end_offsets()
        starts = await reader.beginning_offsets()
        missing = {key for key, end in ends.items() if starts[key] < end}
        while follow or missing:
            for records in await reader.poll(POLL_SECONDS):
                for line in lines(records):
                    if written == limit:
                        return written
                    write(line)
                    written += 1
            if written == limit:
                return written
            missing = {key for key in missing if await reader.position(*key) < ends[key]}
    return written
