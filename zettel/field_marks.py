"""How a field of a note or a link is declared: once, at its place in the model, with all that the rest derives from it.

    mood: Annotated[str, Kept(code=11)] = ""

says that commits may change ``mood``. Payloads, stores, erasure, ``update()`` and the graph of a replica follow from
that: see ``model.NOTE_FIELDS`` and ``model.LINK_FIELDS``.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, JsonValue, TypeAdapter
from pydantic_core import PydanticUndefined, to_jsonable_python

Form: TypeAlias = Literal["text", "number", "choice", "texts", "time", "parts", "json"]
"""What a field's JSON value is: a text; a number or a truth value; one of some texts; a list of texts; ISO 8601 text or
None; an object with one value for each field of a model; or any other JSON value."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Marks a field that never changes: stores keep it in the row of its note, or in the key of its link."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Marks a field that changes hold before and after values of.

    ``code`` names it in payloads: it is the next free number, and never changes. ``telling`` says that it may hold
    words of a note's text, so that an erasure blanks it. ``by_hand`` says that people may change it, by ``update()``
    and in the graph of a replica. ``always`` says that there was never a change without it, so that it needs no
    default; ``blank`` is then what an erasure leaves of it.
    """

    code: int
    telling: bool = False
    by_hand: bool = True
    always: bool = False
    blank: JsonValue = None


@dataclass(frozen=True, slots=True)
class KeptField:
    """A field that changes hold; see ``Kept``. ``blank`` is its default as a JSON value, ``default`` as the model's."""

    name: str
    code: int
    form: Form
    telling: bool
    by_hand: bool
    always: bool
    blank: JsonValue
    default: Any
    choices: tuple[str, ...]
    parts: tuple[str, ...]
    parse: Callable[[Any], Any] | None
    """Makes the model's value of a JSON value; None if they are the same."""

    @property
    def is_json(self) -> bool:
        """Whether a caller gives its value as JSON: not as a datetime or a model."""
        return self.form not in ("time", "parts") and (self.form != "json" or self.parse is None)


class FieldTable:
    """The kept fields of a model, in the order of their codes.

    Raises:
        TypeError: a field of the model does not say how it is kept, or can't be kept so.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        marks = {name: _mark(model, name) for name in model.model_fields}
        kept = {name: mark for name, mark in marks.items() if isinstance(mark, Kept)}
        free = next(n for n in range(len(kept) + 1) if n not in {mark.code for mark in kept.values()})
        for name, mark in marks.items():
            if mark is None:
                raise TypeError(
                    f"{model.__name__}.{name} does not say how it is kept: write Annotated[..., Kept(code={free})] for"
                    " a field that commits may change, or Annotated[..., Fixed()] for one that never changes"
                )
        if sorted(mark.code for mark in kept.values()) != list(range(len(kept))):
            codes = ", ".join(f"{name} {mark.code}" for name, mark in kept.items())
            raise TypeError(f"the codes of {model.__name__}'s fields are not 0 to {len(kept) - 1}, each once: {codes}")
        fields = sorted((_field(model, name, mark) for name, mark in kept.items()), key=lambda field: field.code)
        self.fixed = tuple(name for name, mark in marks.items() if isinstance(mark, Fixed))
        self.by_name: Mapping[str, KeptField] = {field.name: field for field in fields}
        self.names: tuple[str, ...] = tuple(self.by_name)
        self.by_hand: tuple[str, ...] = tuple(field.name for field in fields if field.by_hand)
        self.telling = frozenset(field.name for field in fields if field.telling)
        self.blank: Mapping[str, JsonValue] = {field.name: field.blank for field in fields}
        self._included = set(self.names)
        self._parse = {field.name: field.parse for field in fields if field.parse is not None}
        self._optional = {field.name: field.blank for field in fields if not field.always}
        self._defaults = {field.name: field.default for field in fields if not field.always}
        self._mutable = [name for name, value in self._defaults.items() if isinstance(value, dict | list)]

    def __iter__(self) -> Iterator[KeptField]:
        return iter(self.by_name.values())

    def dump(self, value: BaseModel, *, sound: bool = True) -> dict[str, JsonValue]:
        """The kept fields of a note or a link as changes hold them: JSON values.

        One that is not ``sound`` may hold what its model forbids: what people wrote into a graph.
        """
        return value.model_dump(mode="json", include=self._included, warnings=sound)

    def parsed(self, fields: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Fields of a change or a store as the model has them: lists as tuples, ISO 8601 text as datetimes."""
        parse = self._parse
        return {name: parse[name](value) if name in parse else value for name, value in fields.items()}

    def defaults(self) -> dict[str, Any]:
        """The defaults of the fields that have one, as the model has them; nobody else holds them."""
        values = dict(self._defaults)
        for name in self._mutable:
            values[name] = copy(values[name])  # empty, as defaults are: nothing inside is shared
        return values

    def whole(self, side: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """One side of a change with all its fields: one that an older zettel did not know has its default."""
        return {**side, **{name: deepcopy(value) for name, value in self._optional.items() if name not in side}}

    def slim(self, side: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """One side of a change without the fields that have their default."""
        return {name: value for name, value in side.items() if name not in self._optional or value != self.blank[name]}

    def blanked(self, name: str) -> JsonValue:
        """What an erasure leaves of a field."""
        return deepcopy(self.blank[name])


def _mark(model: type[BaseModel], name: str) -> Kept | Fixed | None:
    found = [mark for mark in model.model_fields[name].metadata if isinstance(mark, Kept | Fixed)]
    return found[0] if len(found) == 1 else None


def _field(model: type[BaseModel], name: str, mark: Kept) -> KeptField:
    info = model.model_fields[name]
    default = info.get_default(call_default_factory=True)
    if (default is PydanticUndefined) != mark.always:
        raise TypeError(
            f"{model.__name__}.{name} needs a default, which it has in notes and links that were written before it"
            if default is PydanticUndefined
            else f"{model.__name__}.{name} has a default, so take always=True from its Kept()"
        )
    form = _form(info.annotation)
    return KeptField(
        name=name, code=mark.code, form=form, telling=mark.telling, by_hand=mark.by_hand, always=mark.always,
        blank=mark.blank if mark.always else to_jsonable_python(default), default=None if mark.always else default,
        choices=get_args(info.annotation) if form == "choice" else (),
        parts=tuple(getattr(info.annotation, "model_fields", ())) if form == "parts" else (),
        parse=_parser(info.annotation, form),
    )  # fmt: skip


def _form(annotation: Any) -> Form:
    if annotation is str:
        return "text"
    if annotation in (int, float, bool):
        return "number"
    if get_origin(annotation) is Literal:
        return "choice"
    if annotation == tuple[str, ...]:
        return "texts"
    if get_origin(annotation) in (Union, types.UnionType) and set(get_args(annotation)) <= _TIMES:
        return "time"
    return "parts" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else "json"


_TIMES = {AwareDatetime, datetime, type(None)}


def _parser(annotation: Any, form: Form) -> Callable[[Any], Any] | None:
    match form:
        case "text" | "choice":
            return None
        case "number":
            parse: Callable[[Any], Any] = annotation
            return parse
        case "texts":
            return tuple
        case "time":
            return _time
        case "parts" | "json":
            return None if get_origin(annotation) is dict else TypeAdapter(annotation).validate_python


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
