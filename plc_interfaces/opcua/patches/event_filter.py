"""Evaluate OPC UA event filters (where clauses) with subtypes, Like and Cast (Part 4, 7.7)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace
from asyncua.server.monitored_item_service import WhereClauseEvaluator

_logger = logging.getLogger(__name__)
_HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)

_COMPARISONS: dict[ua.FilterOperator, Callable[[Any, Any], bool]] = {
    ua.FilterOperator.GreaterThan: lambda a, b: a > b,
    ua.FilterOperator.LessThan: lambda a, b: a < b,
    ua.FilterOperator.GreaterThanOrEqual: lambda a, b: a >= b,
    ua.FilterOperator.LessThanOrEqual: lambda a, b: a <= b,
}
_SUPPORTED = {
    *_COMPARISONS,
    ua.FilterOperator.Equals,
    ua.FilterOperator.IsNull,
    ua.FilterOperator.Like,
    ua.FilterOperator.Not,
    ua.FilterOperator.Between,
    ua.FilterOperator.InList,
    ua.FilterOperator.And,
    ua.FilterOperator.Or,
    ua.FilterOperator.Cast,
    ua.FilterOperator.OfType,
    ua.FilterOperator.BitwiseAnd,
    ua.FilterOperator.BitwiseOr,
}


def is_subtype(aspace: AddressSpace, node: ua.NodeId, base: ua.NodeId) -> bool:
    """Tell whether type ``node`` is ``base`` or derived from it, along inverse HasSubtype."""
    seen: set[ua.NodeId] = set()
    while node != base:
        data = aspace.get(node)
        if data is None or node in seen:
            return False
        seen.add(node)
        parent = next(
            (
                r.NodeId
                for r in data.references
                if not r.IsForward and r.ReferenceTypeId == _HAS_SUBTYPE
            ),
            None,
        )
        if parent is None:
            return False
        node = parent
    return True


def like(text: str, pattern: str) -> bool:
    r"""Match Like: ``%`` any text, ``_`` one character, ``[..]`` one of a set, ``\\`` escape.

    Time grows with the product of the lengths, whatever the pattern; a regular expression with
    many ``.*`` would let a client stall the server.
    """
    tokens = _tokens(pattern)
    at = token = 0
    retry: tuple[int, int] | None = None  # after the last %: its token, and text it has taken
    while at < len(text):
        wanted = tokens[token] if token < len(tokens) else _nothing
        if wanted is _any_text:
            retry = (token, at)
            token += 1
        elif wanted(text[at]):
            at += 1
            token += 1
        elif retry is not None:
            retry = (retry[0], retry[1] + 1)
            token, at = retry[0] + 1, retry[1]
        else:
            return False
    return all(rest is _any_text for rest in tokens[token:])


_Token = Callable[[str], bool]


def _any_text(_: str) -> bool:
    """Stand for ``%``; told by identity, never called."""
    return True


def _nothing(_: str) -> bool:
    """Match no character: the pattern has ended before the text."""
    return False


def _tokens(pattern: str) -> list[_Token]:
    tokens: list[_Token] = []
    i = 0
    while i < len(pattern):
        char = pattern[i]
        end = pattern.find("]", i + 2) if char == "[" else -1
        if char == "%":
            tokens.append(_any_text)
        elif char == "_":
            tokens.append(lambda _: True)
        elif end > 0:
            tokens.append(_set_of(pattern[i + 1 : end]))
            i = end
        else:
            if char == "\\" and i + 1 < len(pattern):
                i += 1
            tokens.append(pattern[i].__eq__)
        i += 1
    return tokens


def _set_of(body: str) -> Callable[[str], bool]:
    """Characters and ranges such as ``a-f``; a leading ``^`` turns the set round."""
    negate = body.startswith("^")
    body = body.removeprefix("^")
    ranges = []
    i = 0
    while i < len(body):
        is_range = body[i + 1 : i + 2] == "-" and i + 2 < len(body)
        ranges.append((body[i], body[i + 2] if is_range else body[i]))
        i += 3 if is_range else 1
    return lambda char: any(low <= char <= high for low, high in ranges) != negate


def _cast(value: Any, target: Any) -> Any:
    """Convert a literal to a built-in data type; what cannot be converted is null."""
    if value is None or not isinstance(target, ua.NodeId) or target.NamespaceIndex != 0:
        return None
    try:
        kind = ua.VariantType(target.Identifier)
        if kind == ua.VariantType.Boolean:
            if isinstance(value, str):
                return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
            return bool(value)
        if ua.VariantType.SByte.value <= kind.value <= ua.VariantType.UInt64.value:
            return int(value)
        if kind in (ua.VariantType.Float, ua.VariantType.Double):
            return float(value)
        if kind == ua.VariantType.String:
            return str(value)
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    return None


def event_field(event: Any, operand: Any) -> Any:
    """Return the event's field that a simple attribute or attribute operand names, else None."""
    if isinstance(operand, ua.AttributeOperand):
        elements = operand.BrowsePath.Elements if operand.BrowsePath else []
        names = [element.TargetName.Name for element in elements]
    else:
        names = [name.Name for name in operand.BrowsePath]
    if not names:
        # Part 9, 5.5.2: the condition's own id is selected by an empty path and attribute NodeId.
        is_id = operand.AttributeId == ua.AttributeIds.NodeId
        return getattr(event, "NodeId", None) if is_id else None
    return getattr(event, "/".join(names), None)


class EventFilterEvaluator(WhereClauseEvaluator):  # type: ignore[misc]
    """Where clause of one monitored item."""

    def check(self) -> None:
        """Raise UaStatusCodeError for a clause that cannot be evaluated (Part 4, 7.7.4)."""
        count = len(self.elements)
        for index, element in enumerate(self.elements):
            if element.FilterOperator not in _SUPPORTED:
                raise ua.UaStatusCodeError(ua.StatusCodes.BadFilterOperatorUnsupported)
            for operand in element.FilterOperands:
                # An operand may refer only to a later element, so evaluation always ends.
                if isinstance(operand, ua.ElementOperand) and not index < operand.Index < count:
                    raise ua.UaStatusCodeError(ua.StatusCodes.BadFilterOperandInvalid)

    def eval(self, event: Any) -> bool:
        """Tell whether the event passes; an operand of the wrong type lets nothing pass."""
        if not self.elements:
            return True
        try:
            return bool(self._eval_el(0, event))
        except (TypeError, IndexError, NotImplementedError) as error:
            _logger.debug("event filter not applicable to %s: %s", event, error)
            return False

    def _eval_el(self, index: int, event: Any) -> Any:
        element = self.elements[index]
        operator = element.FilterOperator
        operands = element.FilterOperands
        if operator == ua.FilterOperator.And:
            return bool(self._eval_op(operands[0], event) and self._eval_op(operands[1], event))
        if operator == ua.FilterOperator.Or:
            return bool(self._eval_op(operands[0], event) or self._eval_op(operands[1], event))
        values = [self._eval_op(operand, event) for operand in operands]
        first = values[0]
        if operator == ua.FilterOperator.OfType:
            return is_subtype(self._aspace, event.EventType, first)
        if operator == ua.FilterOperator.IsNull:
            return first is None
        if operator == ua.FilterOperator.Not:
            return not first
        if operator == ua.FilterOperator.Equals:
            return first == values[1]
        if operator == ua.FilterOperator.InList:
            return first in values[1:]
        if operator == ua.FilterOperator.Cast:
            return _cast(first, values[1])
        if first is None or None in values[1:]:
            return False
        if operator == ua.FilterOperator.Between:
            return values[1] <= first <= values[2]
        if operator == ua.FilterOperator.Like:
            text = first.Text if isinstance(first, ua.LocalizedText) else first
            return like(text or "", values[1])
        if operator == ua.FilterOperator.BitwiseAnd:
            return first & values[1]
        if operator == ua.FilterOperator.BitwiseOr:
            return first | values[1]
        return _COMPARISONS[operator](first, values[1])

    def _eval_op(self, operand: Any, event: Any) -> Any:
        if isinstance(operand, ua.ElementOperand):
            return self._eval_el(operand.Index, event)
        if isinstance(operand, ua.LiteralOperand):
            return operand.Value.Value if operand.Value is not None else None
        if isinstance(operand, ua.SimpleAttributeOperand | ua.AttributeOperand):
            return event_field(event, operand)
        raise NotImplementedError(type(operand).__name__)
