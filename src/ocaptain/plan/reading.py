"""Reading files of which anything may be wrong: each fault is written down, and reading goes on."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ocaptain.errors import Failure

Json = dict[str, Any]
SHOWN = 40
"""Characters that are shown of a value that does not fit."""
SIMPLE_KINDS: Mapping[type, str] = {
    msgspec.inspect.IntType: "a whole number",
    msgspec.inspect.ListType: "a list of texts",
    msgspec.inspect.DictType: "an object, {…}",
}
"""What values of these kinds are called, if there is nothing more to say."""


class Findings:
    """What was found so far, as sentences: `faults` keep a plan from sailing, `notes` do not."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []

    def fault(self, place: str, message: str) -> None:
        """Write down what is wrong in `place`, which begins with a file's name."""
        self.faults.append(f"{place}: {message}")

    @contextmanager
    def reading(self, place: str) -> Iterator[None]:
        """Write down what is raised within as a fault of `place`, and go on after it."""
        try:
            yield
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            self.fault(place, f"is not UTF-8: byte 0x{byte:02x} at position {error.start}")
        except UnicodeEncodeError as error:
            self.fault(place, f"holds half a character: {error.object[error.start]!a}")
        except json.JSONDecodeError as error:
            self.fault(place, f"is not JSON: {error}")
        except RecursionError:
            self.fault(place, "is nested too deeply")
        except (OSError, ValueError, msgspec.ValidationError, Failure) as error:
            self.fault(place, str(error))


def read_text(path: Path) -> str:
    """Return the text of a file. Raises ValueError if there is none."""
    text = path.read_text("utf-8-sig") if path.is_file() else ""
    if not text.strip():
        raise ValueError("is missing or empty")
    return text


def read_object(path: Path) -> Json:
    """Return the JSON object in a file. Raises ValueError if it would not survive being written."""
    value = json.loads(read_text(path))
    if not isinstance(value, dict):
        raise ValueError(f"has to be an object, {{…}}, not {shown(value)}")
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


def sound_fields(shape: type[msgspec.Struct], given: Json, place: str, findings: Findings) -> Json:
    """Return what `given` says of the fields of `shape`, or their defaults.

    What is null counts as not given. Left out is what does not fit its field's annotation, and that
    is a fault."""
    sound: Json = {}
    given = {key: value for key, value in given.items() if value is not None}
    for field in msgspec.structs.fields(shape):
        if field.required and field.name not in given:
            findings.fault(place, f'"{field.name}" is missing')
            continue
        with findings.reading(f'{place}: "{field.name}"'):
            value = fitting(given.get(field.name, field.default), field.type)
            if value is not None:
                sound[field.name] = value
    return sound


def fitting(value: Any, kind: Any) -> Any:
    """Return a value as one of its kind. Raises ValueError, in words of people, if it is none."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        wanted = in_words(msgspec.inspect.type_info(kind))
        raise ValueError(f"has to be {wanted}, not {shown(value)}") from None


def in_words(kind: msgspec.inspect.Type) -> str:
    """Say what a value has to be."""
    match kind:
        case msgspec.inspect.UnionType(types=types):
            kinds = [each for each in types if not isinstance(each, msgspec.inspect.NoneType)]
            return " or ".join(map(in_words, kinds))
        case msgspec.inspect.IntType(ge=int(least), le=int(most)):
            return f"a whole number from {least} to {most}"
        case msgspec.inspect.FloatType(gt=least, le=most):
            return f"a number over {least:g} and up to {most:,}"
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(f'"{value}"' for value in values)
        case msgspec.inspect.StrType(min_length=1):
            return "some text"
    return SIMPLE_KINDS.get(type(kind), "text")


def shown(value: Any) -> str:
    """Return a value of JSON as its file may have it, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
