"""The interface of each kind of component."""

from jamie.core.interfaces.aggregator import Aggregator
from jamie.core.interfaces.correspondence import CorrespondenceInferer
from jamie.core.interfaces.decoder import Decoder
from jamie.core.interfaces.distance import Distance
from jamie.core.interfaces.encoder import Encoder
from jamie.core.interfaces.explainer import Explainer
from jamie.core.interfaces.loss import Loss
from jamie.core.interfaces.method import Method
from jamie.core.interfaces.metric import Metric
from jamie.core.interfaces.pairing import Pairing
from jamie.core.interfaces.preprocessor import Preprocessor
from jamie.core.interfaces.reader import Reader
from jamie.core.interfaces.report import Report
from jamie.core.interfaces.schedule import Schedule

INTERFACES = (
    Reader,
    Pairing,
    Preprocessor,
    Distance,
    CorrespondenceInferer,
    Encoder,
    Decoder,
    Aggregator,
    Loss,
    Schedule,
    Method,
    Metric,
    Explainer,
    Report,
)
KINDS = {interface.kind: interface for interface in INTERFACES}

__all__ = ["INTERFACES", "KINDS", *sorted(i.__name__ for i in INTERFACES)]
