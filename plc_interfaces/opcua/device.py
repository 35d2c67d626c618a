"""A controller behind OPC UA as a `Device`: an emulated machine, or a real one with a node map."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.uaerrors import UaStatusCodeError

from plc_interfaces.opcua.address_space import TYPES_URI
from plc_interfaces.opcua.security import CertificateStore
from plc_interfaces.tables import table_of
from twin.image import Quality, Sample
from twin.signals import Kind, Refused, Signal, SignalTable, Value
from twin.units import UNITS, Unit, unit

__all__ = ["OpcUaDevice", "address", "client_for", "read_node_map"]

_MACHINE_URI = "urn:amtwin:"
_CHUNK = 500
"""Nodes per browse or read request."""
_TYPES: dict[int, type] = {
    ua.ObjectIds.Boolean: bool,
    ua.ObjectIds.Float: float,
    ua.ObjectIds.Double: float,
    ua.ObjectIds.String: str,
    ua.ObjectIds.ByteString: bytes,
    **{i: int for i in range(ua.VariantType.SByte.value, ua.VariantType.UInt64.value + 1)},
}
_CODES = {
    ua.StatusCodes.BadTypeMismatch: "type",
    ua.StatusCodes.BadArgumentsMissing: "type",
    ua.StatusCodes.BadTooManyArguments: "type",
    ua.StatusCodes.BadOutOfRange: "range",
    ua.StatusCodes.BadInvalidArgument: "range",
    ua.StatusCodes.BadNotWritable: "read-only",
    ua.StatusCodes.BadMethodInvalid: "unknown",
    ua.StatusCodes.BadNodeIdUnknown: "unknown",
    ua.StatusCodes.BadNodeIdInvalid: "unknown",
    ua.StatusCodes.BadNotFound: "unknown",
    ua.StatusCodes.BadUserAccessDenied: "role",
}
_MAP_COLUMNS = ("path", "node_id", "kind", "type", "unit", "low", "high", "doc")


def _refused(path: str, code: int, why: str | None = None) -> Refused:
    name = ua.StatusCode(code).name
    return Refused(why or f"{path}: the server answered {name}", _CODES.get(code, "refused"))


@dataclass(frozen=True)
class _Point:
    """Where a signal is on the server."""

    node: ua.NodeId
    kind: ua.VariantType | None
    owner: ua.NodeId | None = None
    """Object that a method belongs to."""


class _Handler:
    """Hands the notifications of a subscription to a callback by path."""

    def __init__(
        self, device: OpcUaDevice, paths: Mapping[Any, str], callback: Callable[[str, Sample], None]
    ) -> None:
        self._device = device
        self._paths = paths
        self._callback = callback

    def datachange_notification(self, node: Any, _: Any, data: Any) -> None:
        """Called by asyncua with every value."""
        path = self._paths[node.nodeid]
        self._callback(path, self._device.sample(path, data.monitored_item.Value))


class _Subscription:
    def __init__(self, subscription: Any) -> None:
        self._subscription = subscription

    async def close(self) -> None:
        """End it."""
        await self._subscription.delete()


class OpcUaDevice:
    """A `Device` over an OPC UA connection; make one with `connect`."""

    def __init__(self, client: Client, table: SignalTable, points: Mapping[str, _Point]) -> None:
        self._client = client
        self._table = table
        self._points = dict(points)

    @classmethod
    async def connect(
        cls,
        url: str,
        machine: str | None = None,
        *,
        user: str = "",
        password: str = "",
        security: Path | None = None,
        node_map: Path | None = None,
    ) -> OpcUaDevice:
        """Connect to ``opc.tcp://…`` and learn the machine's signals.

        Without `node_map` the server must be one of this project's: its tree is read, and
        `machine`, or ``?machine=NAME`` of the URL, names one where it has several. With
        `node_map` (see `read_node_map`) any server will do. `security` is a folder for this
        client's certificate (made on first use) and asks for Basic256Sha256, signed and
        encrypted; None for policy None. ValueError for a machine that is not there or a URL that
        is none; ConnectionError and OSError if there is no connection.
        """
        url, named = address(url)
        machine = machine or named
        client = await client_for(url, user, password, security)
        await client.connect()
        try:
            uris = await client.get_namespace_array()
            if node_map is not None:
                table, points = read_node_map(node_map, uris)
            else:
                table, points = await _Reader(client, uris).read(machine)
            return cls(client, table, points)
        except BaseException:
            await client.disconnect()
            raise

    @property
    def table(self) -> SignalTable:
        """The machine's signals."""
        return self._table

    def _point(self, path: str) -> _Point:
        try:
            return self._points[path]
        except KeyError:
            raise Refused(f"no signal {path!r}", "unknown") from None

    def sample(self, path: str, value: ua.DataValue) -> Sample:
        """A signal's value as the server sent it."""
        signal = self._table[path]
        status = value.StatusCode or ua.StatusCode()
        content = value.Value.Value if value.Value is not None else None
        if content is None:
            content = signal.type()
        elif signal.type is tuple:
            content = tuple(content)
        else:
            content = signal.type(content)
        quality = Quality.GOOD if status.is_good() else Quality.BAD
        if status.is_uncertain():
            quality = Quality.UNCERTAIN
        stamp = value.SourceTimestamp or value.ServerTimestamp or datetime.now(UTC)
        if stamp.tzinfo is None:
            stamp = stamp.replace(tzinfo=UTC)
        return Sample(content, quality, stamp.timestamp())

    async def read(self, path: str) -> Sample:
        """The present value of a signal."""
        point = self._point(path)
        request = ua.ReadParameters(
            NodesToRead=[ua.ReadValueId(NodeId=point.node, AttributeId=ua.AttributeIds.Value)]
        )
        value = (await self._client.uaclient.read(request))[0]
        code = value.StatusCode.value if value.StatusCode is not None else 0
        if code in _CODES:
            raise _refused(path, code)
        return self.sample(path, value)

    async def write(self, path: str, value: Value) -> None:
        """Write a signal; `Refused` if it is not accepted."""
        point = self._point(path)
        checked = self._table[path].check(value)
        written = ua.DataValue(ua.Variant(checked, point.kind))
        try:
            await self._client.get_node(point.node).write_value(written)
        except UaStatusCodeError as error:
            raise _refused(path, error.code) from error

    async def call(self, path: str, *arguments: Value) -> str:
        """Call a command; its answer, or `Refused`."""
        point = self._point(path)
        expected = self._table[path].arguments
        if point.owner is None:
            raise Refused(f"{path} is no command", "type")
        if len(arguments) != len(expected):
            raise Refused(f"{path} takes {len(expected)} arguments, not {len(arguments)}", "type")
        variants = [
            _argument(path, name, type_, value)
            for (name, type_), value in zip(expected.items(), arguments, strict=True)
        ]
        request = ua.CallMethodRequest(
            ObjectId=point.owner, MethodId=point.node, InputArguments=variants
        )
        result = (await self._client.uaclient.call([request]))[0]
        if not result.StatusCode.is_good():
            told = [d.AdditionalInfo for d in result.InputArgumentDiagnosticInfos or ()]
            raise _refused(path, result.StatusCode.value, told[0] if told else None)
        return str(result.OutputArguments[0].Value) if result.OutputArguments else ""

    async def subscribe(
        self, paths: Sequence[str], callback: Callable[[str, Sample], None], period: float = 0.1
    ) -> _Subscription:
        """Call back with the first value and every later change, at most once per `period` s."""
        nodes = {self._point(path).node: path for path in paths}
        handler = _Handler(self, nodes, callback)
        subscription = await self._client.create_subscription(period * 1000.0, handler)
        try:
            await subscription.subscribe_data_change(
                [self._client.get_node(node) for node in nodes],
                sampling_interval=period * 1000.0,
                queuesize=1,
            )
        except UaStatusCodeError as error:
            await subscription.delete()
            raise _refused(", ".join(paths), error.code) from error
        return _Subscription(subscription)

    async def close(self) -> None:
        """Let the connection go."""
        await self._client.disconnect()


def _argument(path: str, name: str, type_: type, value: Value) -> ua.Variant:
    kinds = {
        bool: ua.VariantType.Boolean,
        int: ua.VariantType.Int32,
        float: ua.VariantType.Double,
        str: ua.VariantType.String,
    }
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = is_number if type_ is float else type(value) is type_
    if not fits:
        raise Refused(f"{path}: {name} is {type_.__name__}, not {value!r}", "type")
    return ua.Variant(type_(value), kinds[type_])


def address(url: str) -> tuple[str, str | None]:
    """An address without its ``?machine=NAME``, and that name; `ValueError` if it is none."""
    parts = urlsplit(url)
    try:
        usable = parts.scheme == "opc.tcp" and parts.hostname and parts.port != 0
    except ValueError:  # A port that is no number.
        usable = False
    if not usable:
        raise ValueError(f"an address is opc.tcp://HOST:PORT/…, not {url!r}")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    machine = query.pop("machine", None)
    return urlunsplit(parts._replace(query=urlencode(query))), machine


async def client_for(url: str, user: str, password: str, security: Path | None) -> Client:
    """A client that has not connected yet; see `OpcUaDevice.connect`."""
    client = Client(url, timeout=10)
    client.name = client.description = "amtwin device"
    client.session_timeout = 60_000
    if security is not None:
        uri = "urn:amtwin:device"
        store = CertificateStore(security / "pki")
        store.prepare(uri, "127.0.0.1")
        client.application_uri = uri
        await client.set_security(
            SecurityPolicyBasic256Sha256,
            certificate=store.certificate,
            private_key=store.private_key,
            mode=ua.MessageSecurityMode.SignAndEncrypt,
        )
    if user:
        client.set_user(user)
        client.set_password(password)
    return client


# --- the table out of a server's tree ---


class _Reader:
    """Reads the signals of a machine from its nodes, a few large requests in all."""

    def __init__(self, client: Client, uris: Sequence[str]) -> None:
        self._client = client
        self._uris = list(uris)
        self._kinds: dict[str, _Point] = {}

    async def read(self, machine: str | None) -> tuple[SignalTable, dict[str, _Point]]:
        machines = [
            uri.removeprefix(_MACHINE_URI)
            for uri in self._uris
            if uri.startswith(_MACHINE_URI) and uri != TYPES_URI
        ]
        if TYPES_URI not in self._uris or not machines:
            raise ValueError("the server has no machine of this project's: give a node map")
        if machine is None and len(machines) > 1:
            raise ValueError("the server has several machines, name one with ?machine=NAME at the "
                             f"end of its address: {', '.join(machines)}")
        name = machine or machines[0]
        if name not in machines:
            raise ValueError(f"the server has no machine {name!r} but {', '.join(machines)}")
        namespace = self._uris.index(_MACHINE_URI + name)
        component = ua.NodeId("ComponentType", self._uris.index(TYPES_URI))
        root = ua.NodeId(f"Machines/{name}", namespace)
        prefix = f"{name}."
        found: dict[str, ua.ReferenceDescription] = {}
        owners: dict[str, ua.NodeId] = {}
        level = [root]
        while level:
            below: list[ua.NodeId] = []
            for parent, references in zip(level, await self._browse(level), strict=True):
                for ref in references:
                    identifier = ref.NodeId.Identifier
                    if ref.NodeId.NamespaceIndex != namespace or not isinstance(identifier, str):
                        continue
                    if ref.TypeDefinition == component:
                        below.append(ref.NodeId)
                    elif parent != root and identifier.startswith(prefix):
                        found[identifier.removeprefix(prefix)] = ref
                        owners[identifier.removeprefix(prefix)] = parent
            level = below
        signals, points = await self._signals(found, owners)
        return table_of(signals), points

    async def _browse(self, nodes: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
        results: list[list[ua.ReferenceDescription]] = []
        for start in range(0, len(nodes), _CHUNK):
            wanted = [
                ua.BrowseDescription(
                    NodeId=node,
                    BrowseDirection=ua.BrowseDirection.Forward,
                    ReferenceTypeId=ua.NodeId(ua.ObjectIds.Aggregates),
                    IncludeSubtypes=True,
                    NodeClassMask=0,
                    ResultMask=ua.BrowseResultMask.All,
                )
                for node in nodes[start : start + _CHUNK]
            ]
            answers = await self._client.uaclient.browse(
                ua.BrowseParameters(View=ua.ViewDescription(), NodesToBrowse=wanted)
            )
            results.extend(list(a.References or []) for a in answers)
        return results

    async def _read(self, wanted: Sequence[tuple[ua.NodeId, ua.AttributeIds]]) -> list[Any]:
        values: list[Any] = []
        for start in range(0, len(wanted), _CHUNK):
            request = ua.ReadParameters(
                NodesToRead=[
                    ua.ReadValueId(NodeId=n, AttributeId=a)
                    for n, a in wanted[start : start + _CHUNK]
                ]
            )
            for value in await self._client.uaclient.read(request):
                values.append(value.Value.Value if value.Value is not None else None)
        return values

    async def _signals(
        self, found: Mapping[str, ua.ReferenceDescription], owners: Mapping[str, ua.NodeId]
    ) -> tuple[list[Signal], dict[str, _Point]]:
        paths = list(found)
        members = await self._browse([found[p].NodeId for p in paths])
        wanted: list[tuple[ua.NodeId, ua.AttributeIds]] = []
        for path, refs in zip(paths, members, strict=True):
            node = found[path].NodeId
            wanted.append((node, ua.AttributeIds.Description))
            wanted.append((node, ua.AttributeIds.DataType))
            wanted.append((node, ua.AttributeIds.ValueRank))
            wanted += [(r.NodeId, ua.AttributeIds.Value) for r in refs if _is_property(r)]
        values = iter(await self._read(wanted))
        signals: list[Signal] = []
        points: dict[str, _Point] = {}
        for path, refs in zip(paths, members, strict=True):
            text, data_type, rank = next(values), next(values), next(values)
            properties = {r.BrowseName.Name: next(values) for r in refs if _is_property(r)}
            if "SignalKind" not in properties:
                continue
            kind = Kind(properties["SignalKind"])
            node, owner, variant = found[path].NodeId, None, None
            if kind is Kind.COMMAND:
                owner = owners[path]
            elif kind is Kind.ALARM:
                node = ua.NodeId(f"{node.Identifier}.ActiveState.Id", node.NamespaceIndex)
                data_type, rank = ua.NodeId(ua.ObjectIds.Boolean), -1
            if data_type is not None:
                variant = ua.VariantType(data_type.Identifier)
            points[path] = _Point(node, variant, owner)
            signals.append(
                _signal(path, kind, (text.Text if text else "") or "", variant, rank, properties)
            )
        return signals, points


def _is_property(ref: ua.ReferenceDescription) -> bool:
    return bool(ref.ReferenceTypeId == ua.NodeId(ua.ObjectIds.HasProperty))


def _signal(
    path: str,
    kind: Kind,
    doc: str,
    variant: ua.VariantType | None,
    rank: int | None,
    properties: Mapping[str, Any],
) -> Signal:
    type_: type = str if variant is None else _TYPES[variant.value]
    if rank is not None and rank >= 1:
        type_ = tuple
    choices = tuple(text.Text for text in properties.get("EnumStrings") or ())
    span = properties.get("EURange")
    low, high = (span.Low, span.High) if span is not None else (None, None)
    if choices:
        low, high = 0, len(choices) - 1
    arguments = {
        a.Name: _TYPES.get(a.DataType.Identifier, str)
        for a in properties.get("InputArguments") or ()
    }
    return Signal(
        kind=kind,
        type=type_,
        unit=_unit(properties.get("EngineeringUnits")),
        low=low,
        high=high,
        start=type_(),
        doc=doc,
        choices=choices,
        length=int(properties.get("MaxStringLength") or 32),
        arguments=arguments,
        path=path,
    )


def _unit(information: ua.EUInformation | None) -> Unit:
    """The unit by its symbol, else by its UNECE code; one of no known meaning keeps its name."""
    if information is None:
        return unit("")
    symbol = information.DisplayName.Text or ""
    if symbol in UNITS:
        return UNITS[symbol]
    for known in UNITS.values():
        if known.code and known.unit_id == information.UnitId:
            return known
    return Unit(symbol, 1.0, 0.0, "")


# --- the table out of a file ---


def read_node_map(path: Path, uris: Sequence[str] = ()) -> tuple[SignalTable, dict[str, _Point]]:
    """Signals and nodes of a server by a CSV file.

    Columns: path, node_id, kind, type (float, int, bool, str), unit, low, high, doc. A node id
    is ``ns=3;s=…`` or, safe against another order of namespaces, ``nsu=<uri>;s=…``. ValueError
    names file, row and column of what is wrong.
    """
    types = {"float": float, "int": int, "bool": bool, "str": str}
    signals: list[Signal] = []
    points: dict[str, _Point] = {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = set(_MAP_COLUMNS) - set(rows.fieldnames or ())
        if missing:
            raise ValueError(f"{path}: columns missing: {', '.join(sorted(missing))}")
        for row in rows:
            column = ""
            try:
                column = "kind"
                kind = Kind(row["kind"])
                column = "type"
                type_ = types[row["type"]]
                column = "unit"
                symbol = unit(row["unit"])
                column = "low"
                low = float(row["low"]) if row["low"] else None
                column = "high"
                high = float(row["high"]) if row["high"] else None
                column = "node_id"
                node = _node_id(row["node_id"], uris)
            except (ValueError, KeyError, ua.UaError) as error:
                raise ValueError(f"{path}, line {rows.line_num}, {column}: {error}") from error
            signal = Signal(kind, type_, symbol, low, high, type_(), row["doc"], path=row["path"])
            signals.append(replace(signal, arguments={}))
            points[row["path"]] = _Point(node, None)
    return table_of(signals), points


def _node_id(text: str, uris: Sequence[str]) -> ua.NodeId:
    if text.startswith("nsu="):
        uri, _, rest = text[4:].partition(";")
        if uri not in uris:
            raise ValueError(f"the server has no namespace {uri!r}")
        text = f"ns={uris.index(uri)};{rest}"
    return ua.NodeId.from_string(text)
