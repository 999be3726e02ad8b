"""The interface of each kind of component."""

from jamie.core.interfaces.callback import Callback
from jamie.core.interfaces.command import Command
from jamie.core.interfaces.correspondence import CorrespondenceInferer, Distance
from jamie.core.interfaces.data import Pairing, Reader
from jamie.core.interfaces.figure import Figure
from jamie.core.interfaces.method import Method
from jamie.core.interfaces.model import Aggregator, Decoder, Encoder, Loss, Schedule
from jamie.core.interfaces.optimizer import Optimizer
from jamie.core.interfaces.preprocessor import Preprocessor
from jamie.core.interfaces.rate_schedule import RateSchedule
from jamie.core.interfaces.results import Explainer, Metric, Report
from jamie.core.interfaces.sampler import Sampler
from jamie.core.interfaces.section import Section
from jamie.core.interfaces.splitter import Splitter

INTERFACES = (
    Reader,
    Pairing,
    Splitter,
    Preprocessor,
    Distance,
    CorrespondenceInferer,
    Encoder,
    Decoder,
    Aggregator,
    Loss,
    Schedule,
    Sampler,
    Optimizer,
    RateSchedule,
    Callback,
    Method,
    Metric,
    Explainer,
    Report,
    Figure,
    Section,
    Command,
)
KINDS = {interface.kind: interface for interface in INTERFACES}

__all__ = ["INTERFACES", "KINDS", *sorted(i.__name__ for i in INTERFACES)]
