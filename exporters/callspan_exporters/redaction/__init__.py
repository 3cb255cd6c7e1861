"""What leaves the process: policies, and the span processor that applies one.

See ``docs/redaction.md`` for what each policy removes.
"""

from callspan_exporters.memo import remember
from callspan_exporters.redaction.patterns import BUILT_IN, MaskPattern
from callspan_exporters.redaction.policy import Policy, Strictness, from_litellm, full, mask, named, none, tighter
from callspan_exporters.redaction.processor import RedactionProcessor

__all__ = [
    "BUILT_IN",
    "MaskPattern",
    "Policy",
    "RedactionProcessor",
    "Strictness",
    "from_litellm",
    "full",
    "mask",
    "named",
    "none",
    "remember",
    "tighter",
]
