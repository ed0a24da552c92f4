"""Several questions to AWS at once, each answered or with its own error in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypedDict

from chalicelib.aws import errors
from chalicelib.errors import RestError

if TYPE_CHECKING:
    from typing_extensions import TypeIs

WITHIN_S = 8.0  # for all of them; API Gateway gives up after 29


class Failed(TypedDict):
    """In place of a part that could not be found out."""

    error: str


def ask(questions: Mapping[str, Callable[[], Any]], within_s: float = WITHIN_S) -> dict[str, Any]:
    """Each question's answer by its name; `{"error": ...}` where AWS refused it or did not answer in time.

    Raises only what is a bug of ours.
    """
    pool = ThreadPoolExecutor(max_workers=max(1, len(questions)))
    running = {name: pool.submit(_answer, question) for name, question in questions.items()}
    wait(running.values(), timeout=within_s)
    pool.shutdown(wait=False, cancel_futures=True)  # a call that hangs has its own time limit
    return {
        name: future.result() if future.done() else {"error": f"no answer within {within_s:g} seconds"}
        for name, future in running.items()
    }


def failed(answer: Any) -> TypeIs[Failed]:
    """Whether it is an error in an answer's place."""
    return isinstance(answer, dict) and set(answer) == {"error"}


def _answer(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except RestError as e:
        return {"error": str(e)}
    except Exception as e:
        refused = errors.refusal(e)
        if refused is None:
            raise
        return {"error": str(refused)}
