"""Views, node management and methods: faster and stricter than asyncua's."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User
from asyncua.server.address_space import (
    AddressSpace,
    AttributeValue,
    MethodService,
    NodeData,
    NodeManagementService,
    ViewService,
)

_logger = logging.getLogger(__name__)
_HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)
_HAS_TYPE = ua.NodeId(ua.ObjectIds.HasTypeDefinition)
_INSTANCES = {ua.NodeClass.Object, ua.NodeClass.Variable}


def _attribute(
    name: str, kind: ua.VariantType | None, is_array: bool = False
) -> tuple[int, str, ua.AttributeIds, ua.VariantType | None, bool]:
    mask = getattr(ua.NodeAttributesMask, name)
    return int(mask), name, getattr(ua.AttributeIds, name), kind, is_array


_KIND = ua.VariantType
_ATTRIBUTES = [
    _attribute("AccessLevel", _KIND.Byte),
    _attribute("ArrayDimensions", _KIND.UInt32, is_array=True),
    _attribute("BrowseName", _KIND.QualifiedName),
    _attribute("ContainsNoLoops", _KIND.Boolean),
    _attribute("DataType", _KIND.NodeId),
    _attribute("Description", _KIND.LocalizedText),
    _attribute("DisplayName", _KIND.LocalizedText),
    _attribute("EventNotifier", _KIND.Byte),
    _attribute("Executable", _KIND.Boolean),
    _attribute("Historizing", _KIND.Boolean),
    _attribute("InverseName", _KIND.LocalizedText),
    _attribute("IsAbstract", _KIND.Boolean),
    _attribute("MinimumSamplingInterval", _KIND.Double),
    _attribute("NodeClass", _KIND.Int32),
    _attribute("NodeId", _KIND.NodeId),
    _attribute("Symmetric", _KIND.Boolean),
    _attribute("UserAccessLevel", _KIND.Byte),
    _attribute("UserExecutable", _KIND.Boolean),
    _attribute("UserWriteMask", _KIND.UInt32),
    _attribute("ValueRank", _KIND.Int32),
    _attribute("WriteMask", _KIND.UInt32),
    _attribute("DataTypeDefinition", _KIND.ExtensionObject),
]


class Views(ViewService):  # type: ignore[misc]
    """Browsing with the subtypes of each reference type looked up once."""

    def __init__(self, aspace: AddressSpace) -> None:
        super().__init__(aspace)
        self._subtypes: dict[ua.NodeId, frozenset[ua.NodeId]] = {}

    def forget_types(self) -> None:
        """Start anew after a change of the reference type hierarchy."""
        self._subtypes.clear()

    def _suitable_reftype(self, ref1: ua.NodeId, ref2: ua.NodeId, subtypes: bool) -> bool:
        if ref1 == ref2 or ref1.is_null():
            return True
        if not subtypes:
            return False
        known = self._subtypes.get(ref1)
        if known is None:
            known = self._subtypes[ref1] = frozenset(self._get_sub_ref(ref1))
        return ref2 in known


class Nodes(NodeManagementService):  # type: ignore[misc]
    """Adds nodes and references; duplicates are found by key, not by going through all."""

    def __init__(self, aspace: AddressSpace, views: Views) -> None:
        super().__init__(aspace)
        self._views = views
        # id of a list of references -> the list, and each one's direction by its key
        self._index: dict[int, tuple[list[Any], dict[tuple[ua.NodeId, ua.NodeId], bool]]] = {}

    def _add_unique_reference(
        self, nodedata: NodeData, desc: ua.ReferenceDescription
    ) -> ua.StatusCode:
        references = nodedata.references
        if desc.ReferenceTypeId == _HAS_SUBTYPE:
            self._views.forget_types()
        if len(references) < 16:
            return super()._add_unique_reference(nodedata, desc)
        entry = self._index.get(id(references))
        if entry is None or entry[0] is not references or len(entry[1]) != len(references):
            entry = (references, {(r.ReferenceTypeId, r.NodeId): r.IsForward for r in references})
            self._index[id(references)] = entry
        index = entry[1]
        key = (desc.ReferenceTypeId, desc.NodeId)
        forward = index.get(key)
        if forward is None:
            references.append(desc)
            index[key] = desc.IsForward
        elif forward != desc.IsForward:
            return ua.StatusCode(ua.StatusCodes.BadReferenceNotAllowed)
        return ua.StatusCode()

    def _add_nodeattributes(
        self, node_attributes: Any, nodedata: NodeData, add_timestamps: bool
    ) -> None:
        specified = node_attributes.SpecifiedAttributes
        for mask, name, attribute, kind, is_array in _ATTRIBUTES:
            if not specified & mask:
                continue
            value = getattr(node_attributes, name)
            if name == "DataTypeDefinition" and not isinstance(value, ua.DataTypeDefinition):
                variant = ua.Variant(None)
            else:
                variant = ua.Variant(value, kind, is_array=is_array)
            nodedata.attributes[attribute] = AttributeValue(ua.DataValue(variant))
        if specified & ua.NodeAttributesMask.Value:
            value = node_attributes.Value
            # asyncua copies it into a Variant that says it is no array.
            variant = value if isinstance(value, ua.Variant) else ua.Variant(value)
            stamp = datetime.now(UTC) if add_timestamps else None
            data = ua.DataValue(variant, SourceTimestamp=stamp, ServerTimestamp=stamp)
            nodedata.attributes[ua.AttributeIds.Value] = AttributeValue(data)

    def _add_reference_no_check(
        self, sourcedata: NodeData, addref: ua.AddReferencesItem
    ) -> ua.StatusCode:
        target = self._aspace[addref.TargetNodeId]
        attributes = target.attributes
        kind = addref.TargetNodeClass
        if kind == ua.NodeClass.Unspecified:
            kind = attributes[ua.AttributeIds.NodeClass].value.Value.Value
        description = ua.ReferenceDescription(
            ReferenceTypeId=addref.ReferenceTypeId,
            IsForward=addref.IsForward,
            NodeId=addref.TargetNodeId,
            BrowseName=attributes[ua.AttributeIds.BrowseName].value.Value.Value,
            DisplayName=attributes[ua.AttributeIds.DisplayName].value.Value.Value,
            NodeClass=kind,
        )
        if kind in _INSTANCES:
            for ref in target.references:
                if ref.IsForward and ref.ReferenceTypeId == _HAS_TYPE:
                    description.TypeDefinition = ref.NodeId
                    break
        return self._add_unique_reference(sourcedata, description)

    def _delete_node(self, item: ua.DeleteNodesItem, user: User) -> ua.StatusCode:
        self._index.clear()
        self._views.forget_types()
        return super()._delete_node(item, user)

    def _delete_reference(self, item: ua.DeleteReferencesItem, user: User) -> ua.StatusCode:
        self._index.clear()
        self._views.forget_types()
        return super()._delete_reference(item, user)


class Methods(MethodService):  # type: ignore[misc]
    """Method calls with checked arguments; a type's method means that of the object called."""

    async def _call(self, method: ua.CallMethodRequest) -> ua.CallMethodResult:
        codes = ua.StatusCodes
        owner = self._aspace.get(method.ObjectId)
        node = self._aspace.get(method.MethodId)
        if owner is None:
            return _refused(codes.BadNodeIdUnknown)
        if node is None:
            return _refused(codes.BadMethodInvalid)
        if node.call is None:
            node = self._instance_method(owner, node)
            if node is None:
                return _refused(codes.BadMethodInvalid)
        arguments = method.InputArguments or []
        result = self._check_arguments(node, arguments)
        if not result.StatusCode.is_good():
            return result
        try:
            output = await self._run_method(node.call, method.ObjectId, *arguments)
        except (ServiceError, ua.UaStatusCodeError) as error:
            result.StatusCode = ua.StatusCode(error.code)
        except Exception:
            _logger.exception("OPC UA method %s of %s failed", method.MethodId, method.ObjectId)
            result.StatusCode = ua.StatusCode(codes.BadUnexpectedError)
        else:
            if isinstance(output, ua.CallMethodResult):
                return output
            if isinstance(output, ua.StatusCode):
                result.StatusCode = output
            else:
                result.OutputArguments = output or []
        return result

    def _instance_method(self, owner: NodeData, declared: NodeData) -> NodeData | None:
        """Find the owner's method of the same browse name as a type's method declaration."""
        name = declared.attributes[ua.AttributeIds.BrowseName].value.Value.Value
        for ref in owner.references:
            if ref.IsForward and ref.NodeClass == ua.NodeClass.Method and ref.BrowseName == name:
                node: NodeData | None = self._aspace.get(ref.NodeId)
                if node is not None and node.call is not None:
                    return node
        return None

    def _check_arguments(self, node: NodeData, given: list[ua.Variant]) -> ua.CallMethodResult:
        expected = self._input_arguments(node)
        result = ua.CallMethodResult()
        if expected is None:
            return result
        if len(given) < len(expected):
            return _refused(ua.StatusCodes.BadArgumentsMissing)
        if len(given) > len(expected):
            return _refused(ua.StatusCodes.BadTooManyArguments)
        for argument, variant in zip(expected, given, strict=True):
            fits = self._fits(argument, variant)
            code = ua.StatusCodes.Good if fits else ua.StatusCodes.BadTypeMismatch
            result.InputArgumentResults.append(ua.StatusCode(code))
            if not fits:
                result.StatusCode = ua.StatusCode(ua.StatusCodes.BadInvalidArgument)
        return result

    def _input_arguments(self, node: NodeData) -> list[ua.Argument] | None:
        """Arguments a method declares; None when it declares nothing."""
        for ref in node.references:
            if ref.IsForward and ref.BrowseName == ua.QualifiedName("InputArguments", 0):
                value = self._aspace.read_attribute_value(ref.NodeId, ua.AttributeIds.Value)
                return value.Value.Value or [] if value.Value is not None else []
        return None

    def _fits(self, argument: ua.Argument, variant: ua.Variant) -> bool:
        if argument.ValueRank == ua.ValueRank.Scalar and variant.is_array:
            return False
        if argument.ValueRank >= ua.ValueRank.OneDimension and not (
            variant.is_array or variant.Value is None
        ):
            return False
        built_in = self._built_in(argument.DataType)
        return built_in is None or variant.VariantType == built_in

    def _built_in(self, data_type: ua.NodeId) -> ua.VariantType | None:
        """Built-in type a data type is encoded as; None when several are allowed."""
        for _ in range(20):
            if data_type.NamespaceIndex == 0 and isinstance(data_type.Identifier, int):
                if data_type.Identifier == ua.ObjectIds.Enumeration:
                    return ua.VariantType.Int32
                if data_type.Identifier in (24, 26, 27, 28):  # BaseDataType, Number, (U)Integer
                    return None
                if data_type.Identifier <= 25:
                    return ua.VariantType(data_type.Identifier)
            data = self._aspace.get(data_type)
            parents = data.references if data is not None else []
            parent = [
                r.NodeId for r in parents if r.ReferenceTypeId == _HAS_SUBTYPE and not r.IsForward
            ]
            if not parent:
                return None
            data_type = parent[0]
        return None

    async def _run_method(self, func: Callable[..., Any], parent: ua.NodeId, *args: Any) -> Any:
        if inspect.iscoroutinefunction(func):
            return await func(parent, *args)
        return await super()._run_method(func, parent, *args)


def _refused(code: int) -> ua.CallMethodResult:
    return ua.CallMethodResult(StatusCode=ua.StatusCode(code))
