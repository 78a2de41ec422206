"""Speaks to the scheduler of a Dask cluster, and through it to the nodes, over Dask's own connections."""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import Any

from ...errors import InputError, one_line
from .names import NOT_INSTALLED

_ANSWER = 10.0
_CONNECT = 20.0


class UnreachableError(OSError):
    """The scheduler, or a node behind it, does not answer."""


class SchedulerLine:
    """A line to a scheduler; every call stands for itself, so it outlives connections that break.

    Args:
        address: such as `tcp://host:8786`.
        security: of Dask; `None` for what Dask's configuration says.
    """

    def __init__(self, address: str, security: Any = None) -> None:
        self.address, self._security = address, security
        self._rpc: Any = None

    async def open(self) -> None:
        """Connects; raises InputError where nothing answers."""
        try:
            from distributed.core import rpc
            from distributed.security import Security
        except ImportError:
            raise InputError(NOT_INSTALLED) from None
        try:
            security = self._security or Security()
            self._rpc = rpc(self.address, connection_args=security.get_connection_args("client"), timeout=_CONNECT)
            await self.nodes()
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            why = one_line(str(error)) or "no answer"
            raise InputError(f"cluster={self.address}: no scheduler of Dask answers there: {why}") from None

    async def close(self) -> None:
        """Closes the connections."""
        if self._rpc is not None:
            with contextlib.suppress(OSError):
                await self._rpc.close_rpc()

    async def nodes(self) -> set[str]:
        """Returns the addresses of Dask's workers, each of which is a node."""
        return set((await self._call(_CONNECT, "identity", n_workers=-1))["workers"])

    async def ask(self, address: str, op: str, seconds: float = 0.0, **about: Any) -> Any:
        """Returns what a handler of a node answers, which may wait for some seconds."""
        waits = {"seconds": seconds} if seconds else {}
        return await self._call(_ANSWER + seconds, "proxy", msg={"op": op, **about, **waits}, worker=address)

    async def call_on(self, addresses: Collection[str], function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Returns what a function returns on each of the nodes that answer, or a sentence where it cannot be called."""
        from distributed.protocol.pickle import dumps

        message = {"op": "run", "function": dumps(function), "args": dumps(args), "kwargs": dumps({}), "wait": True}
        answers = await self._call(
            _CONNECT + _ANSWER, "broadcast", msg=message, workers=list(addresses), on_error="return_pickle"
        )
        found = {address: read_answer(answer) for address, answer in answers.items()}
        return {address: answer for address, answer in found.items() if not isinstance(answer, OSError)}

    async def _call(self, limit: float, name: str, **about: Any) -> Any:
        try:
            return await asyncio.wait_for(getattr(self._rpc, name)(**about), limit)
        except (OSError, TimeoutError) as error:
            raise UnreachableError(str(error)) from error


def read_answer(answer: Any) -> Any:
    """Returns what a node has answered, an error of the connection as such, or a sentence on another error."""
    from distributed.core import clean_exception
    from distributed.protocol.pickle import loads

    if isinstance(answer, bytes):
        error = loads(answer)
        return error if isinstance(error, OSError) else _describe(error)
    if answer["status"] == "OK":
        return answer["result"]
    return _describe(clean_exception(**answer)[1])


def _describe(error: BaseException | None) -> str:
    words = one_line(str(error))
    if isinstance(error, ModuleNotFoundError) or "No module named" in words:
        return f"it lacks a package: {words}"
    return f"{type(error).__name__}: {words}"
