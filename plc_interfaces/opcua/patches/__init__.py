"""The one place where defects of asyncua 2.1.0's server are mended.

==================  ===============================================================================
module              what it mends
==================  ===============================================================================
``event_filter``    OfType compared exactly (standard clients got no alarms); Like, Cast missing;
                    an endless element recursion could be requested
``items``,          sampling interval, DiscardOldest, Overflow, Sampling and Disabled modes and
``monitoring``      percent deadband ignored; absolute deadband compared with the last sample;
                    bad monitored item id gave an internal error; a deep copy and an encoding per
                    item and value; ModifySubscription and MaxNotificationsPerPublish ignored;
                    events reached one node only
``session``         one refused write failed the whole request and writes showed at once; methods
                    did not know their caller; guessable session tokens; any session could touch
                    any subscription; a client certificate other than the channel's was believed
``services``        method arguments unchecked, type-level method ids not resolved; array values
                    that say they are none; slow browse and import
``server``          client certificates unchecked when the channel opens; unbounded frames and
                    buffers of no size; garbage left connections open; limits too wide
==================  ===============================================================================
"""

from plc_interfaces.opcua.patches.monitoring import SubscriptionLimits
from plc_interfaces.opcua.patches.server import Limits, LoginHook, PatchedServer, TrustCheck
from plc_interfaces.opcua.patches.session import Caller, WriteGate, caller

__all__ = [
    "Caller",
    "Limits",
    "LoginHook",
    "PatchedServer",
    "SubscriptionLimits",
    "TrustCheck",
    "WriteGate",
    "caller",
]
