"""The daemon's side of its workers: started as forks of it, told of pairs, heard of what they used.

The first queue of the TUN device is the daemon's own. When a worker has ended the daemon serves its queue, too.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nat64.device import worker_messages
from nat64.device.forwarding import BURST, NOT_PASSED_ON, WRITE_FAILED
from nat64.device.tun_worker import TunWorker
from nat64.process import event_log
from nat64.process.forked import keep_only
from nat64.siit import offload

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable

    from nat64.device.forwarding import Forwarding
    from nat64.device.tun import OpenTun
    from nat64.siit.translator import Translator

log = logging.getLogger(__name__)

_CHANNEL_OCTETS: Final = 1 << 20
_ENDS_WITHIN: Final = 0.5  # seconds, before a worker is killed
_LISTENS_WITHIN: Final = 0.1  # seconds, likewise


@dataclass(frozen=True, slots=True)
class _Worker:
    pid: int
    channel: socket.socket
    queue: OpenTun


class Workers:
    """Processes that serve queues of the TUN device beside the daemon.

    `serve_queue` is called when a worker has ended, with the descriptor of the queue to serve in its place.
    """

    def __init__(
        self, forwarding: Forwarding, translator: Translator, serve_queue: Callable[[int], None]
    ) -> None:
        self._forwarding = forwarding
        self._translator = translator
        self._serve_queue = serve_queue
        self._workers: dict[int, _Worker] = {}
        self._buffer = bytearray(worker_messages.LARGEST)

    def __len__(self) -> int:
        return len(self._workers)

    def start(self, queues: Iterable[OpenTun], loop: AbstractEventLoop) -> None:
        """Start a worker for each queue."""
        gc.freeze()  # what is there now stays shared with the workers
        for queue in queues:
            worker = self._fork(queue)
            self._workers[worker.channel.fileno()] = worker
            loop.add_reader(worker.channel, self._hear, worker, loop)

    def reset(self) -> None:
        """Have all workers begin anew with the translator's settings; what they knew of pairs may be wrong now.

        One that does not listen is killed, so that it does not go on with the old ones.
        """
        message = worker_messages.write_settings(self._translator.settings)
        for worker in self._workers.values():
            worker.channel.settimeout(_LISTENS_WITHIN)
            try:
                worker.channel.send(message)
            except TimeoutError:
                os.kill(worker.pid, signal.SIGKILL)  # its channel tells the rest, as below
            except OSError:
                pass  # it has ended, which its channel tells
            finally:
                worker.channel.setblocking(False)

    def end(self, loop: AbstractEventLoop) -> None:
        """End all workers and wait for that."""
        ending = list(self._workers.values())
        self._workers.clear()
        for worker in ending:
            loop.remove_reader(worker.channel)
            worker.channel.close()
        deadline = time.monotonic() + _ENDS_WITHIN
        for worker in ending:
            while os.waitpid(worker.pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > deadline:
                    os.kill(worker.pid, signal.SIGKILL)
                    os.waitpid(worker.pid, 0)
                    break
                time.sleep(0.005)
            os.close(worker.queue.descriptor)

    def _fork(self, queue: OpenTun) -> _Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _CHANNEL_OCTETS)
        pid = os.fork()
        if pid:
            theirs.close()
            return _Worker(pid, ours, queue)
        try:
            keep_only({queue.descriptor, theirs.fileno(), *event_log.descriptors()})
            TunWorker(queue, theirs, self._translator.settings, time.monotonic).run()
        except Exception:
            log.exception("a worker ends by a fault of ours")
        finally:
            os._exit(0)

    def _hear(self, worker: _Worker, loop: AbstractEventLoop) -> None:
        """Take what a worker says."""
        now = time.monotonic()
        for _ in range(BURST):
            try:
                length = worker.channel.recv_into(self._buffer)
            except OSError as error:
                if error.errno in {errno.EAGAIN, errno.EINTR}:
                    return
                length = 0
            if not length:
                self._replace(worker, loop)
                return
            message = memoryview(self._buffer)[:length]
            if bytes(message[:1]) == worker_messages.PACKET:
                self._forward(worker, message[1:], now)
            else:
                self._count(worker_messages.read_used(message[1:]), now)

    def _forward(self, worker: _Worker, read: memoryview, now: float) -> None:
        self._forwarding.forward(read, now, worker.queue.descriptor)
        found = self._translator.pair_of(read[offload.HEADER_LENGTH if worker.queue.offloads else 0 :])
        if found is None:
            return
        addresses, pair = found
        leased = pair.lease.address if pair.lease is not None else b""
        try:
            worker.channel.send(worker_messages.write_pair(addresses, pair.translated, leased))
        except OSError:
            return  # it will ask again

    def _count(self, used: worker_messages.Used, now: float) -> None:
        for name, count in zip(worker_messages.COUNTED, used.counts, strict=True):
            self._translator.counts[name] += count
        self._forwarding.counts[WRITE_FAILED] += used.write_failed
        self._forwarding.counts[NOT_PASSED_ON] += used.not_passed_on
        for address in used.addresses:
            self._translator.address_map.mark_used(address, now)

    def _replace(self, worker: _Worker, loop: AbstractEventLoop) -> None:
        loop.remove_reader(worker.channel)
        del self._workers[worker.channel.fileno()]
        worker.channel.close()
        os.waitpid(worker.pid, 0)
        log.error("a worker has ended; the daemon serves its queue", extra={"pid": worker.pid})
        self._serve_queue(worker.queue.descriptor)
