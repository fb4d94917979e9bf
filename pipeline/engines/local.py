"""Work in processes of this machine, in order, a bounded number of items ahead of whoever takes the results.

Kept free of torch: every worker imports this file, and should start at once.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from typing import TypeVar

from hero_core.errors import HeroError

ITEMS_AHEAD_PER_WORKER = 4

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def ordered_map(
    function: Callable[[ItemT], ResultT], items: Sequence[ItemT], workers: int
) -> Iterator[ResultT]:
    """``map(function, items)`` in ``workers`` processes; one worker is this process itself.

    Args:
        function: importable by name, like its arguments and results picklable; failures are results, not exceptions.
        items: what it is called with.
        workers: processes at most.

    Raises:
        HeroError: a worker process died.
    """
    count = min(workers, len(items))
    if count <= 1:
        yield from map(function, items)
        return
    waiting: deque[Future[ResultT]] = deque()
    remaining = iter(items)
    with ProcessPoolExecutor(count, _process_context(function)) as pool:
        try:
            for item in remaining:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= count * ITEMS_AHEAD_PER_WORKER:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise HeroError(
                "a worker process died; run the same command again, it goes on from here"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _process_context(function: Callable[..., object]) -> BaseContext:
    """Workers that hold none of torch's threads, since forking those can deadlock."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([getattr(function, "func", function).__module__])  # a partial has func
    return context
