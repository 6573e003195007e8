"""What DynamoDB and the memories in Redis tell, where a stream is the source."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from core.handler.services import stream_services
from core.inspection.document import as_document
from core.inspection.pegs import off_peg_since_of_streams
from core.inspection.stream_explainer import explain_streams
from core.inspection.stream_inspector import inspect_streams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from core.handler.services import StreamServices
    from core.inspection.explanation import Explanation
    from core.inspection.pegs import Pegged
    from core.inspection.samples import Samples
    from core.settings.models import Settings


class StreamInsight:
    """See Insight. All threads share the clients, which are made when they are first asked for."""

    source: Literal["dynamodb"] = "dynamodb"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._making = Lock()
        self._open = ExitStack()
        self._made: StreamServices | None = None

    def explain(self, kind: str, chain: str, entity: str) -> Sequence[Explanation]:
        return explain_streams(self._services(), kind, entity, chain)

    def samples(self, watch: str, chain: str, entity: str, limit: int) -> Samples:
        return []

    def off_peg_since(self, pegged: Sequence[Pegged]) -> Mapping[Pegged, datetime]:
        fed = [one for one in pegged if one.watch in self._settings.dynamodb.tables]
        return off_peg_since_of_streams(self._services(), fed)

    def status(self) -> dict[str, Any]:
        return dict(as_document(inspect_streams(self._services())))

    def close(self) -> None:
        self._open.close()

    def _services(self) -> StreamServices:
        with self._making:
            if self._made is None:
                self._made = self._open.enter_context(stream_services(self._settings))
            return self._made
