"""What is wrong with a plan, in one sentence: which field, what it may be, what it is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

__all__ = ["clear"]


def clear(error: ValidationError, data: Any, root: type[BaseModel]) -> str:
    """The first of pydantic's complaints about `data`, read as `root`, in one sentence."""
    first = error.errors()[0]
    field = ""
    here: Any = data
    for part in first["loc"]:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            here = None
        # Lists are long: say which machine, store or person it is.
        if isinstance(part, int) and isinstance(here, Mapping) and "name" in here:
            field += f" ({here['name']})"
    given = repr(first["input"])
    given = given if len(given) <= 60 else f"{given[:57]}..."
    context = first.get("ctx", {})
    match first["type"]:
        case "missing":
            return f"{field} is missing"
        case "extra_forbidden":
            return f"{field} is unknown{_near(first['loc'], root)}"
        case "value_error":
            return f"{field} {context['error']}"
        case "string_pattern_mismatch":
            info = _model_at(first["loc"], root).model_fields.get(str(first["loc"][-1]))
            wanted = info.description if info is not None else None
            told = f"be {wanted}" if wanted else f"match {context['pattern']}"
            return f"{field} must {told}, not {given}"
    if {"ge", "gt", "le", "lt"} & context.keys():
        return f"{field} must be {_range(first['loc'], root)}, not {given}"
    return f"{field}: {first['msg'][0].lower()}{first['msg'][1:]}, not {given}"


def _model_at(loc: tuple[Any, ...], root: type[BaseModel]) -> Any:
    """The model that a field of the plan is declared in."""
    model: Any = root
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        info = model.model_fields.get(part)
        if info is None:
            return model
        found = [t for t in _types(info.annotation) if issubclass(t, BaseModel)]
        model = found[0] if found else model
    return model


def _types(annotation: Any) -> list[type]:
    inner = getattr(annotation, "__args__", None)
    if inner:
        return [t for each in inner for t in _types(each)]
    return [annotation] if isinstance(annotation, type) else []


def _range(loc: tuple[Any, ...], root: type[BaseModel]) -> str:
    info = _model_at(loc, root).model_fields[str(loc[-1])]
    metadata = [*info.metadata, *(m for each in getattr(info.annotation, "__args__", ())
                                  for m in getattr(each, "__metadata__", ()))]
    limits: dict[str, Any] = {}
    for each in metadata:
        for inner in getattr(each, "metadata", None) or [each]:
            for name in ("ge", "gt", "le", "lt"):
                if getattr(inner, name, None) is not None:
                    limits[name] = getattr(inner, name)
    low = f"{limits['ge']:g}" if "ge" in limits else \
        f"above {limits['gt']:g}" if "gt" in limits else ""
    high = f"{limits['le']:g}" if "le" in limits else \
        f"below {limits['lt']:g}" if "lt" in limits else ""
    return f"{low} to {high}" if low and high else low or f"at most {high}"


def _near(loc: tuple[Any, ...], root: type[BaseModel]) -> str:
    fields = list(_model_at(loc, root).model_fields)
    near = difflib.get_close_matches(str(loc[-1]), fields, 1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(fields)}"
