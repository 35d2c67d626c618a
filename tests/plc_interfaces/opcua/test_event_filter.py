"""Where clauses of event filters."""

import logging
import re
from types import SimpleNamespace

import pytest
from asyncua import ua
from asyncua.server.address_space import AddressSpace
from hypothesis import given
from hypothesis import strategies as st

from plc_interfaces.opcua.patches.event_filter import EventFilterEvaluator, like

OP = ua.FilterOperator
EVENT = SimpleNamespace(
    **{
        "EventType": ua.NodeId(2041),
        "Severity": 500,
        "SourceName": "Chamber",
        "Message": ua.LocalizedText("oxygen high"),
        "AckedState/Id": False,
    }
)


def field(path):
    names = [ua.QualifiedName(name, 0) for name in path.split("/")]
    return ua.SimpleAttributeOperand(BrowsePath=names, AttributeId=ua.AttributeIds.Value)


def literal(value):
    return ua.LiteralOperand(Value=ua.Variant(value))


def element(operator, *operands):
    return ua.ContentFilterElement(FilterOperator=operator, FilterOperands=list(operands))


def evaluator(*elements):
    clause = ua.ContentFilter(Elements=list(elements))
    return EventFilterEvaluator(logging.getLogger("test"), AddressSpace(), clause)


SEVERITY = field("Severity")


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ((), True),
        ((element(OP.Equals, field("AckedState/Id"), literal(False)),), True),
        ((element(OP.GreaterThan, SEVERITY, literal(400)),), True),
        ((element(OP.LessThanOrEqual, SEVERITY, literal(499)),), False),
        ((element(OP.Between, SEVERITY, literal(400), literal(600)),), True),
        ((element(OP.Between, SEVERITY, literal(600), literal(900)),), False),
        ((element(OP.InList, field("SourceName"), literal("Door"), literal("Chamber")),), True),
        ((element(OP.Like, field("SourceName"), literal("Ch_m%")),), True),
        ((element(OP.Like, field("Message"), literal("%high")),), True),
        ((element(OP.IsNull, field("NoSuchField")),), True),
        ((element(OP.GreaterThan, field("NoSuchField"), literal(1)),), False),
        ((element(OP.GreaterThan, field("SourceName"), literal(1)),), False),
        ((element(OP.BitwiseAnd, SEVERITY, literal(4)),), True),
        (
            (
                element(OP.And, ua.ElementOperand(1), ua.ElementOperand(2)),
                element(OP.Equals, field("SourceName"), literal("Chamber")),
                element(OP.Not, ua.ElementOperand(3)),
                element(OP.LessThan, SEVERITY, literal(100)),
            ),
            True,
        ),
        (
            (
                element(OP.Equals, ua.ElementOperand(1), literal(500.0)),
                element(OP.Cast, literal("500"), literal(ua.NodeId(ua.ObjectIds.Double))),
            ),
            True,
        ),
        (
            (
                element(OP.IsNull, ua.ElementOperand(1)),
                element(OP.Cast, literal("x"), literal(ua.NodeId(ua.ObjectIds.Double))),
            ),
            True,
        ),
    ],
)
def test_where_clause(elements, expected):
    assert evaluator(*elements).eval(EVENT) is expected


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ((element(OP.InView, literal(1)),), "BadFilterOperatorUnsupported"),
        ((element(OP.Not, ua.ElementOperand(0)),), "BadFilterOperandInvalid"),
        ((element(OP.Not, ua.ElementOperand(7)),), "BadFilterOperandInvalid"),
    ],
)
def test_clauses_without_end_or_sense_are_refused(elements, code):
    with pytest.raises(ua.UaStatusCodeError) as error:
        evaluator(*elements).check()
    assert ua.StatusCode(error.value.code).name == code


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("main", "main%", True),
        ("domain", "main%", False),
        ("a.b", "a.b", True),
        ("axb", "a.b", False),
        ("Th is", "Th[ia][%", False),
        ("abc", "[a-c]bc", True),
        ("dbc", "[^a-c]bc", True),
        ("abc", "[^a-c]bc", False),
        ("50%", "50\\%", True),
        ("505", "50\\%", False),
        ("two\nlines", "two%", True),
        ("x", "[z-a]", False),
        ("-", "[[--]", False),
        ("", "%", True),
        ("aXbYb", "a%b", True),
        ("aXbYc", "a%b", False),
        ("abc", "ab", False),
        ("a" * 2000, "%a" * 200 + "b", False),
    ],
)
def test_like(text, pattern, expected):
    assert like(text, pattern) is expected


@given(st.text(max_size=8), st.text(alphabet="ab%_[]^\\-", max_size=8))
def test_like_takes_any_pattern(text, pattern):
    assert like(text, pattern) in (True, False)


@given(st.text("ab", max_size=12), st.text("ab%_", max_size=8))
def test_like_agrees_with_a_regular_expression(text, pattern):
    expression = pattern.replace("%", ".*").replace("_", ".")
    assert like(text, pattern) is (re.fullmatch(expression, text) is not None)
