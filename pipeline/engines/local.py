"""Work in processes of this machine, in order, a bounded number of items ahead of whoever takes the results.

A thread looks after each process, because one that crashes, hangs or takes too much memory is to cost its item only.
Kept free of torch: every worker imports this file's neighbours, and should start at once.
"""

import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from multiprocessing import get_all_start_methods, get_context, resource_tracker
from multiprocessing.context import BaseContext
from threading import Lock
from typing import Generic, TypeVar, overload

from hero_core.errors import HeroError
from pipeline.engines.worker import Broken, Done, ItemLimits, Raised, StartError, Worker

__all__ = ["ITEMS_AHEAD_PER_WORKER", "Broken", "ItemLimits", "ordered_map"]

ITEMS_AHEAD_PER_WORKER = 4
ATTEMPTS = 2
"""How often an item is tried that breaks its process; a fresh process for every further time."""

_STARTS = 3
"""How often a process is started that dies before it takes an item."""

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@overload
def ordered_map(
    function: Callable[[ItemT], ResultT], items: Sequence[ItemT], workers: int
) -> Generator[ResultT, None, None]: ...


@overload
def ordered_map(
    function: Callable[[ItemT], ResultT],
    items: Sequence[ItemT],
    workers: int,
    limits: ItemLimits,
    around: Callable[[ItemT], AbstractContextManager[object]] = ...,
) -> Generator[ResultT | Broken, None, None]: ...


def ordered_map(
    function: Callable[[ItemT], ResultT],
    items: Sequence[ItemT],
    workers: int,
    limits: ItemLimits | None = None,
    around: Callable[[ItemT], AbstractContextManager[object]] = nullcontext,
) -> Generator[ResultT | Broken, None, None]:
    """``map(function, items)`` in ``workers`` processes; close it to end them before the items do.

    With ``limits`` no item is trusted: each is worked on in a process that may be killed, even with one worker, and
    an item that breaks its process twice, or makes ``function`` raise, gives a :class:`Broken` in its place. Without
    them one worker is this process itself.

    Args:
        function: importable by name, not from ``__main__``; its arguments and results picklable.
        items: what it is called with.
        workers: processes at most.
        limits: of each item.
        around: with limits, entered in this process, in some thread, while an item is worked on; in their order.

    Raises:
        HeroError: ``function`` raised one; processes do not start; without limits, a process died.
    """
    count = min(workers, len(items))
    if limits is None and count <= 1:
        yield from map(function, items)
        return
    pool = _Pool(function, limits, around)
    waiting: deque[Future[ResultT | Broken]] = deque()
    with ThreadPoolExecutor(max(count, 1), initializer=_leave_interrupts_to_others) as threads:
        try:
            for item in items:
                waiting.append(threads.submit(pool.run, item))
                if len(waiting) >= count * ITEMS_AHEAD_PER_WORKER:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            pool.close()


class _Pool(Generic[ItemT, ResultT]):
    """Worker processes, as many as there are threads that use them."""

    def __init__(
        self,
        function: Callable[[ItemT], ResultT],
        limits: ItemLimits | None,
        around: Callable[[ItemT], AbstractContextManager[object]],
    ) -> None:
        self._function, self._limits, self._around = function, limits, around
        self._context = _process_context(function)
        self._idle: deque[Worker[ItemT, ResultT]] = deque()
        self._all: set[Worker[ItemT, ResultT]] = set()
        self._closed = False
        self._lock, self._processes_lock = Lock(), Lock()

    def run(self, item: ItemT) -> ResultT | Broken:
        """The result of an item, in whatever thread this is called."""
        with self._around(item):
            return self._result(item)

    def _result(self, item: ItemT) -> ResultT | Broken:
        worker = self._take() or self._start()
        reply = worker.do(item)
        for _ in range(1, ATTEMPTS):
            if not isinstance(reply, Broken):
                break
            self._forget(worker)
            worker = self._start()
            reply = worker.do(item)
        if isinstance(reply, Broken):
            self._forget(worker)
            return self._given_up(reply)
        self._idle.append(worker)
        return self._unpacked(reply)

    def close(self) -> None:
        """End all processes; whoever waits for one is told."""
        with self._lock:
            self._closed = True
            left = list(self._all)
        for worker in left:
            worker.kill()

    def _given_up(self, broken: Broken) -> Broken:
        if self._limits is not None:
            return broken
        raise HeroError(
            f"a worker process died ({broken.reason}); run the same command again, it goes on from here"
        )

    def _unpacked(self, reply: Done[ResultT] | Raised) -> ResultT | Broken:
        if isinstance(reply, Done):
            return reply.value
        if reply.meant_for_user:
            raise HeroError(reply.text)
        if self._limits is None:
            raise RuntimeError(f"in a worker process:\n{reply.trace}")
        return Broken(reply.text)

    def _take(self) -> Worker[ItemT, ResultT] | None:
        """An idle process, if there is one."""
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                return None
            if worker.is_alive():
                return worker
            self._forget(worker)

    def _start(self) -> Worker[ItemT, ResultT]:
        for _ in range(1, _STARTS):
            with suppress(StartError):
                return self._started()
        return self._started()

    def _started(self) -> Worker[ItemT, ResultT]:
        with self._lock:
            if self._closed:
                raise HeroError("the work was stopped")
            worker = Worker(self._context, self._function, self._limits, self._processes_lock)
            self._all.add(worker)
        try:
            worker.wait_until_ready()
        except StartError:
            self._forget(worker)
            raise
        return worker

    def _forget(self, worker: Worker[ItemT, ResultT]) -> None:
        with self._lock:
            self._all.discard(worker)


def _leave_interrupts_to_others() -> None:
    """Block Ctrl-C in this thread, and so in every process that it starts, from the first moment on."""
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # else it starts with the first process, and lifts the block
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _process_context(function: Callable[..., object]) -> BaseContext:
    """Workers that hold none of torch's threads, since forking those can deadlock."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    module = getattr(function, "func", function).__module__  # a partial has func
    context.set_forkserver_preload([module, Worker.__module__, "pipeline.engines.sandbox"])
    return context
