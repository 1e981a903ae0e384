"""`federation.yaml` as a typed, frozen model. Paths in it are relative to its own folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from wardround.engine.basics.closed import Added, Section
from wardround.federation.addresses import Address, CalledAddress, Host, Network, split_address
from wardround.federation.paths import WholePath
from wardround.federation.protocol import Checks, Horizon, Leaves, MetricName, Requirements, Weights
from wardround.federation.strategies.named import StrategyField

Port = Annotated[int, Field(ge=1, le=65535, examples=[9444])]
FederationName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


def _word_or(word: str, otherwise: str, example: str, fits: Callable[[float], bool]) -> BeforeValidator:
    """Read `word` as None; refuse text, and numbers that do not fit, in terms of both."""
    context = {"word": word, "otherwise": otherwise, "example": example}

    def read(value: Any) -> Any:
        if value == word:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is None or isinstance(value, str | bool) or (is_number and not fits(value)):
            raise PydanticCustomError("word", "Input should be {word} or {otherwise}", context)
        return value

    return BeforeValidator(read)


def _is_count(value: float) -> bool:
    return value >= 1 and float(value).is_integer()


Quorum = Annotated[Annotated[int, Field(ge=1)] | None, _word_or("all", "a number of sites", "2", _is_count)]
Seconds = Annotated[float, Field(ge=0, examples=[60])]
Largest = Annotated[
    Annotated[float, Field(gt=1)] | None, _word_or("unbounded", "a number above 1", "10", lambda value: value > 1)
]
Deadline = Annotated[
    Annotated[float, Field(gt=0)] | None,
    _word_or("forever", "a number of seconds", "86400", lambda value: value > 0),
]


class Folders(Section):
    """Where the aggregator keeps what. `keys` holds secrets; `state` is what a run resumes from."""

    keys: Annotated[WholePath, Field(examples=["keys"])] = Path("keys")
    state: Annotated[WholePath, Field(examples=["state"])] = Path("state")
    results: Annotated[WholePath, Field(examples=["results"])] = Path("results")
    roster: Annotated[WholePath, Field(examples=["roster.json"])] = Path("roster.json")


class Evaluation(Section):
    """What the sites score, and which scores they send. Metrics and test are part of the plan that each site accepts.

    final: after the last round, score the last model at every site in a round without training. metrics: the scores
    that leave a site, such as `[dice, loss]`; without it all metrics of the study and the loss. test: whether the test
    cases are scored too, once, in the final round. every: the incoming model is scored in the plan's first round and in
    every so-manieth after it; a model that was not scored cannot be the best. max_cases: at most so many validation
    cases at each site, the same in every round; without it all.
    """

    final: bool = True
    metrics: Annotated[tuple[MetricName, ...] | None, Field(max_length=256), Added("0.2.0")] = None
    test: Annotated[bool, Added("0.2.0")] = True

    every: Annotated[int, Field(ge=1, le=100_000), Added("0.2.0")] = 1
    max_cases: Annotated[int | None, Field(ge=1, le=10_000_000, examples=[20]), Added("0.2.0")] = None

    @property
    def checks(self) -> Checks | None:
        """What the plan says of when; nothing where all cases are scored in every round."""
        found = Checks(every=self.every, max_cases=self.max_cases)
        return None if found == Checks() else found

    @property
    def leaves(self) -> Leaves | None:
        """What the plan says of it: nothing where it is as it was before a plan could say it."""
        found = Leaves(metrics=self.metrics, test=self.test)
        return None if found == Leaves() else found


class Limits(Section):
    """What the link allows for.

    slowest_line: kbit/s of the slowest site's line, from which the time for a transfer is reckoned.
    chunk: kB of one object on the wire; 256 suits lines of 256 kbit/s, 512 those of 1 Mbit/s and faster.
    reply: MB of a site's largest reply; without it, and at most, the model's own size and 4 MB.
    trusted_proxies: addresses or networks of TCP proxies before the port. Each must say for whom it connects, by the
    PROXY protocol (version 1 or 2); nobody else is believed.
    """

    slowest_line: Annotated[float, Field(gt=0)] = 512.0
    chunk: Annotated[int, Field(ge=4, le=4096)] = 512
    reply: Annotated[int, Field(ge=1, le=4096)] = 4096
    trusted_proxies: Annotated[tuple[Network, ...], Field(max_length=64), Added("0.2.0")] = ()


class Updates(Section):
    """How far a site's update may move the model.

    largest: at most so many times as far as the median update of a round of three sites or more; `unbounded` for any.
    ceiling: no tensor by more than so many times its own norm, or that of weights of 0.1 if it is larger.
    """

    largest: Largest = Field(default=10.0, validate_default=True)
    ceiling: Annotated[float, Field(gt=0)] = 100.0


class Federation(Section):
    """A whole federation, as its coordinator writes it down.

    quorum: how many sites a round needs at least; `all` of the roster by default. deadline: seconds that each site has
    from when it has said that its cases are ready, after which a round goes on with the quorum; `forever` waits for
    every site that has not declined. grace: seconds that a round waits for the others at least once the quorum is
    there, and for sites to come back after a restart; a tenth of the deadline by default. patience: a site that was in
    trouble for so many seconds of a round counts as one that declined. preparing: so does one that has prepared its
    cases for so many seconds, until it is ready; `forever` sets no end to it. below_quorum: what to do when the quorum
    cannot be had in time. on_decline: whether one site's refusal stops the federation. initial: a
    model folder or safetensors file to begin with; its digest is part of the plan. fold: which outer fold is the
    test set at every site. names: further names and IP addresses by which sites reach the aggregator; they stand in its
    certificate. weights: what a site's update weighs; the sites accept it. updates: how far one may move the model.
    keep_rounds: how many of the last rounds `aggregator undo` can undo; two models are kept for each at most.
    require: what every site's table must have (`{patient_column: true}`: a `PatientID`; without it a site is refused by
    its own client). health_port: where on this machine the gRPC health service listens.
    """

    schema_version: Literal[1] = Field(alias="schema")
    federation: FederationName
    study: Annotated[WholePath, Field(examples=["study.yaml"])]
    address: CalledAddress
    listen: Address | None = None
    folders: Folders = Folders()
    horizon: Horizon
    strategy: StrategyField = Field(default="fedavg", validate_default=True)
    quorum: Quorum = Field(default="all", validate_default=True)
    deadline: Deadline = Field(default="forever", validate_default=True)
    below_quorum: Literal["wait", "stop"] = "wait"
    on_decline: Literal["stop", "continue"] = "continue"
    grace: Annotated[Seconds | None, Added("0.2.0")] = None
    patience: Annotated[Seconds, Added("0.2.0")] = 3600.0
    preparing: Annotated[Deadline, Added("0.2.0")] = 86_400.0
    initial: Annotated[WholePath | None, Field(examples=["model"]), Added("0.2.0")] = None
    fold: Annotated[int, Field(ge=0, le=49)] = 0
    evaluation: Evaluation = Evaluation()
    weights: Annotated[Weights, Added("0.2.0")] = Weights()
    updates: Annotated[Updates, Added("0.2.0")] = Updates()
    require: Annotated[Requirements, Added("0.2.0")] = Requirements()
    keep_rounds: Annotated[int, Field(ge=1, le=1000), Added("0.2.0")] = 3
    health_port: Port | None = None
    limits: Limits = Limits()
    names: Annotated[tuple[Host, ...], Field(max_length=100), Added("0.2.0")] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name and IP address that the server certificate must have, the address of the invitation first."""
        return tuple(dict.fromkeys((split_address(self.address)[0], *self.names)))

    @property
    def seconds_of_grace(self) -> float:
        """The grace, or a tenth of the deadline."""
        return (self.deadline or 0.0) / 10 if self.grace is None else self.grace

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port to listen on: `listen` where it is given, otherwise every one, over IPv4 and IPv6."""
        if self.listen is None:
            return "::", split_address(self.address)[1]
        return split_address(self.listen)
