"""Checks what storage answers before it is used, for storage may be anybody's by then.

The shapes and their bounds are those of onboard's protocol. Keys that it does not have are let be.
"""

import operator
from functools import reduce
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from typing import is_typeddict as is_typed_dict

import msgspec

from ocaptain.errors import Failure
from ocaptain.onboard.protocol import Json, Pattern, Range
from ocaptain.ssh import clean

T = TypeVar("T")


def read_answer(stdout: bytes, kind: type[T]) -> T:
    """Read what harbor printed. Returns its answer, which is of `kind`, a TypedDict.

    Raises Failure with harbor's own sentence if it refuses. What is no answer to the question
    raises ValueError, or RecursionError."""
    answer = msgspec.json.decode(stdout, type=Json)
    if answer.pop("ok", None) is True:
        msgspec.convert(answer, checked_type(kind))
        return cast(T, answer)
    refusal = msgspec.convert(answer.get("error"), str)
    raise Failure(clean(refusal))


def checked_type(kind: Any) -> Any:
    """Translate a type of the protocol into one whose bounds msgspec checks as well."""
    if is_typed_dict(kind):
        return _struct(kind)
    origin: Any = get_origin(kind)
    if origin is Annotated:
        plain, *bounds = get_args(kind)
        return Annotated[(checked_type(plain), *map(_meta, bounds))]
    if origin in (list, dict):
        return origin[tuple(map(checked_type, get_args(kind)))]
    if origin in (Union, UnionType):
        return reduce(operator.or_, map(checked_type, get_args(kind)))
    return kind


def _struct(typed_dict: Any) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for name, hint in get_type_hints(typed_dict, include_extras=True).items():
        if name in typed_dict.__required_keys__:
            fields.append((name, checked_type(hint)))
        else:
            fields.append((name, checked_type(hint) | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(typed_dict.__name__, fields, kw_only=True)


def _meta(bound: Pattern | Range) -> msgspec.Meta:
    if isinstance(bound, Pattern):
        return msgspec.Meta(pattern=rf"\A(?:{bound.regex})\Z")
    return msgspec.Meta(ge=bound.least, le=bound.most)
