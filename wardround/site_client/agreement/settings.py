"""The two files that a hospital's staff edits: `site.yaml` (this machine) and `policy.yaml` (what is allowed)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr

from wardround.engine.basics.closed import Added, Section
from wardround.engine.basics.files import is_missing
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.reading import require_config
from wardround.engine.basics.sizes import Size
from wardround.engine.study import Study
from wardround.engine.study.documents import load_settings_file, place_of_key, read_document, usable_part
from wardround.engine.study.truths import TaskName
from wardround.engine.targets import target_of
from wardround.federation.addresses import CalledAddress
from wardround.federation.metric_names import known_metrics
from wardround.federation.paths import HomePath
from wardround.federation.protocol import USUAL_ALLOWANCE, SiteName


class SiteSettings(Section):
    """One hospital's machine. Relative paths start at the folder of `site.yaml`.

    Attributes:
        name: the site's name in the federation.
        manifest: table of the cases.
        work: folder for everything that the site client writes.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        threads: CPU threads of the worker, or None for torch's default.
        keys: folder of the private keys.
        policy: the policy file.
        accepted: what `site-client accept` pinned.
        address: host and port of the aggregator, if this site reaches it under another one than the invitation's.
        health_port: loopback port of the gRPC health service, or None for none.
        answer_seconds: how long the courier waits for the worker before it answers "working".
        checkpoint_seconds: longest training time that an interruption may cost. Where it is not given, checkpoints
            are written every minute, but seldom enough to cost at most a twentieth of the time.
        store_limit: how much disk preprocessed cases may take, such as `200 GB`; those used longest ago make room.
        assets: where files lie that a study needs, by the names that it gives them, for `site-client --local`.
    """

    schema_version: Literal[1] = Field(alias="schema")
    name: SiteName
    manifest: HomePath
    work: Annotated[HomePath, Field(examples=["work"])] = Path("work")
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")] = "auto"
    threads: Annotated[int, Field(ge=1, le=1024, examples=[4])] | None = None
    keys: Annotated[HomePath, Field(examples=["keys"])] = Path("keys")
    policy: Annotated[HomePath, Field(examples=["policy.yaml"])] = Path("policy.yaml")
    accepted: Annotated[HomePath, Field(examples=["accepted.json"])] = Path("accepted.json")
    address: CalledAddress | None = None
    health_port: Annotated[int, Field(ge=1, le=65535, examples=[50051])] | None = None
    answer_seconds: Annotated[float, Field(ge=0, le=15)] = 10.0
    checkpoint_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    store_limit: Annotated[Size | None, Added("0.2.0")] = None
    assets: Annotated[dict[str, HomePath], Added("0.4.0")] = Field(
        default_factory=dict, examples=[{"pretrained": "weights.safetensors"}]
    )
    _file: Path = PrivateAttr(default=Path("site.yaml"))

    @property
    def stated_loss(self) -> float | None:
        """`checkpoint_seconds`, if the file gives it."""
        return self.checkpoint_seconds if "checkpoint_seconds" in self.model_fields_set else None

    def read_from(self, file: Path) -> SiteSettings:
        """The same settings as those of a file, with absolute paths: relative ones are taken from its folder."""
        names = ("manifest", "work", "keys", "policy", "accepted")
        base = file.parent.resolve()
        places = {name: base / Path(getattr(self, name)).expanduser() for name in names}
        assets = {name: base / path.expanduser() for name, path in self.assets.items()}
        placed = self.model_copy(update={**places, "assets": assets})
        placed._file = file
        return placed

    @property
    def home(self) -> Path:
        """The folder in which the file lies."""
        return self._file.absolute().parent

    def place(self, key: str) -> str:
        """`site.yaml:3, name`: where a key stands in the file, which need not give it."""
        return place_of_key(self._file, "site file", key)


class Policy(Section):
    """What this site allows, whatever an aggregator asks. Examples of its values allow little.

    Attributes:
        minimum_train_cases: with fewer training cases the site takes no part.
        minimum_validation_cases: a metric over fewer cases does not leave the site; where numbers are predicted, none
            over fewer than `minimum_train_cases` either.
        tasks: kinds of study that may run.
        maximum_rounds: longest plan, in rounds.
        maximum_steps: longest plan, in training steps over all rounds.
        metrics: names of the metrics that may leave (`dice` covers `dice.anterior`), or `all` of the study's.
        release: `automatic` sends a finished result as soon as it has passed the checks.
        allowance: pieces of work that may be done beyond one for each round of the plan, for an aggregator that was set
            back: another model for a round that was begun, or a round again.
        task_megabytes: room in the work folder for the models that the aggregator sends. The oldest are removed first,
            a larger one is refused.
        cohort_changes: whether the cases may change after training has begun: `refuse` waits until they are put back,
            or until the change is accepted with `site-client accept-cohort`. Known patients keep their sets either way.
    """

    schema_version: Literal[1] = Field(alias="schema")
    minimum_train_cases: Annotated[int, Field(ge=1)] = 5
    minimum_validation_cases: Annotated[int, Field(ge=1)] = 2
    tasks: Annotated[tuple[TaskName, ...], Field(examples=[["segmentation"]])] = (
        "segmentation",
        "classification",
    )
    maximum_rounds: Annotated[int, Field(ge=1, examples=[1])] = 1000
    maximum_steps: Annotated[int, Field(ge=1, examples=[1])] = 1_000_000
    metrics: Annotated[
        Literal["all"] | Annotated[tuple[str, ...], AfterValidator(known_metrics)], Field(examples=[["dice"]])
    ] = "all"
    release: Literal["automatic"] = "automatic"
    allowance: Annotated[int, Field(ge=0, le=1000, examples=[0]), Added("0.2.0")] = USUAL_ALLOWANCE
    task_megabytes: Annotated[int, Field(ge=1, le=10**9), Added("0.2.0")] = 8192
    cohort_changes: Annotated[Literal["refuse", "allow"], Added("0.2.0")] = "refuse"

    def lets_out(self, metric: str) -> bool:
        """Whether a metric of this name may leave."""
        return self.metrics == "all" or metric.split(".")[0] in self.metrics or metric in self.metrics


def fewest_scored(policy: Policy, study: Study) -> int:
    """How many cases a score that leaves must be of.

    The mean error and the mean squared error of a model that says one number are two equations: over two cases they
    tell both cases' numbers. So scores of numbers, and of times, are of as many cases as a model is trained on, or
    more.
    """
    least, target = policy.minimum_validation_cases, target_of(study)
    tells = target.scores_tell_truths or target.numbers_to_scale(study)
    return max(least, policy.minimum_train_cases) if tells else least


_FORBIDS_NOTHING: Mapping[str, Any] = {
    "minimum_train_cases": 1,
    "minimum_validation_cases": 1,
    "tasks": ("segmentation", "classification"),
    "maximum_rounds": 10**9,
    "maximum_steps": 10**18,
    "cohort_changes": "allow",
}


def load_settings(path: Path) -> SiteSettings:
    """The settings of a `site.yaml`, paths absolute. Raises `InputError` with every problem."""
    beginning = "A new site begins with `site-client init --name NAME --manifest data.csv`"
    require_config(path, "site file", "site.yaml", beginning)
    return load_settings_file(SiteSettings, path, "site file").read_from(path)


def load_policy(path: Path) -> Policy:
    """The policy of a file that only its owner can change. Raises `InputError` with every problem."""
    if is_missing(path):
        raise InputError.one(
            "there is no policy, so nothing is allowed here",
            where=str(path),
            got="no file",
            expected="the path of a policy.yaml",
            remedy="Put the hospital's policy back, or let `policy` in site.yaml name it; `site-client init` in an "
            "empty folder writes one to begin with",
        )
    return load_settings_file(Policy, path, "policy")


def read_policy(path: Path, findings: Findings) -> Policy | None:
    """The policy, or what can be used of one with wrong values, which are added to the findings."""
    with findings.gather():
        return load_policy(path)
    return usable_policy(path)


def usable_policy(path: Path) -> Policy | None:
    """What a policy with wrong values says all the same; where it says nothing that can be read, it forbids nothing.

    So the rest of it is held against a plan in the same pass. None where the file cannot be read at all.
    """
    try:
        document = read_document(path, "policy")
    except InputError:
        return None
    policy, faulty = usable_part(Policy, document, {"schema": 1})
    return policy.model_copy(update={key: value for key, value in _FORBIDS_NOTHING.items() if key in faulty})
