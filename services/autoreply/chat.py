"""Talking to a model in the words of OpenAI's chat completions: the question, and what its answer means. Pure.

A model is given the conversation that it answers in, and nothing else; what it says goes to the person who wrote, and
its tools name nobody. So whatever a person talks it into concerns that person alone.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from services.autoreply.thoughts import Lines, NoThought, Thought, Usage

LONGEST_ANSWER = 1024 * 1024  # bytes that are read
LONGEST_TEXT = 4_096  # characters of one message (Meta's most)
MOST_MESSAGES = 3  # that an answer is cut into; what is longer ends there
AROUND_MESSAGE = 8  # tokens that tell who says it, and where it ends
MOST_CONTEXT = 48_000  # characters of earlier messages: the oldest are left out
TOOLS = {
    "hand_over": "Hand the conversation over to a person, because the user asks for one or you cannot help.",
    "opt_out": "The user does not want to be written to with offers any more.",
}

Document = dict[str, Any]


def question(model: Mapping[str, Any], lines: Lines) -> Document:
    """Return the body of the request."""
    system = [{"role": "system", "content": model["system_prompt"]}] if model["system_prompt"] else []
    body: Document = {
        "model": model["name"], "messages": [*system, *_recent(lines)], "max_tokens": model["max_tokens"],
        "stream": False,
    }  # fmt: skip
    if model["temperature"] is not None:
        body["temperature"] = model["temperature"]
    if model["tools"]:
        body["tools"] = [_tool(name) for name in model["tools"]]
    return body


def tokens_at_most(body: Mapping[str, Any]) -> int:
    """Return how many tokens a question and its answer take at most: a token is of one byte or more."""
    asked = sum(len(message["content"].encode()) + AROUND_MESSAGE for message in body["messages"])
    return asked + len(json.dumps(body.get("tools", []))) + int(body["max_tokens"])


def answer_in(raw: bytes, tools: Sequence[str]) -> Thought:
    """Return what an answer means. Raises NoThought where it is none."""
    if len(raw) > LONGEST_ANSWER:
        raise NoThought("answer_too_long")
    try:
        found = json.loads(raw)
        message = found["choices"][0]["message"]
        text, called = _text(message.get("content")), _called(message, tools)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise NoThought("answer_unreadable") from None
    usage = _usage(found.get("usage"))
    if not text and not called:
        raise NoThought("answer_empty", usage=usage)
    answers = [{"type": "text", "text": part} for part in parts(text)]
    return Thought(answers, handover="hand_over" in called, opt_out="opt_out" in called, usage=usage)


def parts(text: str) -> list[str]:
    """Cut a text into messages, between paragraphs or words where that can be."""
    found: list[str] = []
    rest = text.strip()
    while rest and len(found) < MOST_MESSAGES:
        part = rest[:LONGEST_TEXT]
        if len(rest) > LONGEST_TEXT:
            cut = max(part.rfind("\n\n"), part.rfind("\n"), part.rfind(" "))
            part = part[:cut] if cut > LONGEST_TEXT // 2 else part
        found.append(part.strip())
        rest = rest[len(part) :].strip()
    return found


def _recent(lines: Lines) -> list[Document]:
    """Return the messages, the latest ones where they are too much."""
    found: list[Document] = []
    left = MOST_CONTEXT
    for line in reversed([*lines.earlier, *lines.fresh]):
        left -= len(line.text)
        if left < 0 and len(found) >= len(lines.fresh):
            break
        found.append({"role": "user" if line.by_person else "assistant", "content": line.text})
    return found[::-1]


def _tool(name: str) -> Document:
    nothing = {"type": "object", "properties": {}}
    return {"type": "function", "function": {"name": name, "description": TOOLS[name], "parameters": nothing}}


def _text(content: Any) -> str:
    if isinstance(content, list):  # parts, as some servers give them
        content = "".join(part["text"] for part in content if part.get("type") in ("text", "output_text"))
    if content is None:
        return ""
    if not isinstance(content, str):
        raise TypeError
    return content.replace("\x00", "").encode("utf-8", "replace").decode()


def _called(message: Mapping[str, Any], tools: Sequence[str]) -> set[str]:
    calls = message.get("tool_calls") or []
    return {call["function"]["name"] for call in calls} & set(tools)


def _usage(found: Any) -> Usage | None:
    usage = found if isinstance(found, Mapping) else {}
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    if not all(type(count) is int and 0 <= count < 1 << 40 for count in counts):
        return None
    return Usage(int(counts[0] or 0), int(counts[1] or 0))
