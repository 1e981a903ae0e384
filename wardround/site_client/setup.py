"""`site-client init`: a site's keys and files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from wardround.engine.basics.files import write_settings
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.study.documents import parse_document, validate_document
from wardround.federation.identities import EnrolmentRequest, SiteKeys, fingerprint
from wardround.federation.protocol import SiteName
from wardround.site_client.settings import SiteSettings

SITE_FILE, POLICY_FILE = "site.yaml", "policy.yaml"
_NAME: TypeAdapter[str] = TypeAdapter(SiteName)
_PRIVATE_FOLDER, _ONLY_OWNER_WRITES = 0o700, 0o644

_SITE_TEMPLATE = """\
# This machine. Relative paths start at this file's folder.
schema: 1
name: {name}
manifest: {manifest}     # the table of the cases
work: work               # preprocessed cases, checkpoints, results, logs
device: auto             # auto, cpu, cuda or cuda:N
# threads: 4             # CPU threads for training
keys: keys               # private keys; nobody else may read them
policy: policy.yaml      # what this hospital allows
accepted: accepted.json  # written by `site-client accept`
# address: host:port     # only if this site reaches the aggregator under another address than the invitation's
# health_port: 50051     # gRPC health service on 127.0.0.1
"""

_POLICY_TEMPLATE = """\
# What this hospital allows, whatever an aggregator asks. Only the owner of this file may change it.
schema: 1

# With fewer training cases than this the site takes no part: an update from few cases says much about each of them.
minimum_train_cases: 5

# A metric over fewer validation or test cases than this does not leave the site.
minimum_validation_cases: 2

# Kinds of study that may run here.
tasks: [segmentation, classification]

# The longest plan that may be accepted.
maximum_rounds: 1000
maximum_steps: 1000000

# Metrics that may leave: all of the study's, or a list such as [dice, loss]. `dice` covers `dice.anterior`.
metrics: all

# automatic: a finished result that has passed every check is sent at once.
release: automatic

# Pieces of work beyond one for each round, for an aggregator that was set back to an earlier round.
allowance: 3

# MB that models sent by the aggregator may take in the work folder.
task_megabytes: 8192
"""


@dataclass(frozen=True)
class NewSite:
    """What `init` made.

    Attributes:
        request: the file for the coordinator.
        fingerprint: of the signing key, for the telephone.
        files: everything that was written for people to read.
    """

    request: Path
    fingerprint: str
    files: tuple[Path, ...]


def create_site(folder: Path, name: str, manifest: Path) -> NewSite:
    """Make keys, enrolment request, `site.yaml` and `policy.yaml` in `folder`.

    Raises:
        InputError: the name cannot be used, or any of the files exists already; nothing is written then.
    """
    site, policy, request, keys = (
        folder / SITE_FILE,
        folder / POLICY_FILE,
        folder / f"{name}.pub",
        folder / "keys",
    )
    site_text = _site_text(folder, name, manifest)
    _refuse_existing((site, policy, request, keys))
    folder.mkdir(parents=True, exist_ok=True)
    keys.mkdir(mode=_PRIVATE_FOLDER)
    made = SiteKeys.create(keys)
    EnrolmentRequest.create(name, made).save(request)
    request.chmod(_ONLY_OWNER_WRITES)
    write_settings(policy, _POLICY_TEMPLATE.encode())
    write_settings(site, site_text.encode())
    return NewSite(request, fingerprint(made.signing_public), (site, policy))


def _site_text(folder: Path, name: str, manifest: Path) -> str:
    try:
        _NAME.validate_python(name)
    except ValidationError:
        raise InputError.one(
            "this name cannot be used",
            where="--name",
            got=repr(name),
            expected="up to 32 small letters, digits and hyphens, such as north",
        ) from None
    shown = manifest.resolve()
    home = folder.resolve()
    written = shown.relative_to(home) if shown.is_relative_to(home) else shown
    quoted = "'" + str(written).replace("'", "''") + "'"
    text = _SITE_TEMPLATE.format(name=name, manifest=quoted)
    validate_document(SiteSettings, parse_document(text, Path(SITE_FILE)))
    return text


def _refuse_existing(paths: tuple[Path, ...]) -> None:
    findings = Findings()
    for path in paths:
        if path.exists():
            findings.add("it exists already", where=str(path), remedy="Choose another folder, or move it away")
    findings.raise_if_any()


@dataclass(frozen=True)
class Offer:
    """An invitation beside this site's settings and policy, not yet accepted."""

    settings: SiteSettings
    policy: Policy
    invitation: Invitation

    def accept(self) -> Path:
        """Pin it; returns the file. The running supervisor notices and starts its processes again."""
        pin(self.settings.accepted, self.invitation)
        return self.settings.accepted


def open_offer(invitation_path: Path, config: Path) -> Offer:
    """Read an invitation and check it. Raises `InputError` with everything that stands against accepting it."""
    settings = load_settings(config)
    findings = Findings()
    with findings.gather():
        invitation = load_invitation(invitation_path)
    with findings.gather():
        policy = load_policy(settings.policy)
    with findings.gather():
        keys = SiteKeys.load(settings.keys)
    findings.raise_if_any()
    agreement = Agreement(invitation, invitation.open_study())
    with findings.gather():
        check_policy(policy, agreement)
    with findings.gather():
        check_membership(settings, keys, agreement)
    findings.raise_if_any()
    return Offer(settings, policy, invitation)


def describe_offer(offer: Offer) -> tuple[str, ...]:
    """What the staff agrees to, in plain words."""
    invitation, policy = offer.invitation, offer.policy
    study, horizon, strategy = invitation.open_study(), invitation.plan.horizon, invitation.plan.strategy.described
    others = [name for name in invitation.roster.names if name != offer.settings.name]
    return (
        f"Federation   {invitation.federation}, aggregator at {offer.settings.address or invitation.address}",
        f"Coordinator  {fingerprint(invitation.coordinator_key)}  (compare over the telephone)",
        f"Study        {study.study}: {study.task} of {', '.join(study.class_names)} from {', '.join(study.inputs)}",
        f"Model        {study.model.name}, loss {study.training.loss.name}",
        f"Plan         {horizon.rounds} rounds of {horizon.local_steps} steps, combined by {strategy}",
        f"Weight       an update weighs by {invitation.plan.weights.described}",
        f"With         {', '.join(others) or 'no other site'}",
        f"Leaves       model weights after each round, {_scores(invitation.plan.outgoing, study, policy)}, numbers of "
        "cases, and progress",
        f"Test cases   {_test_cases(invitation.plan.outgoing)}",
        *(["Table        must have a PatientID column"] if invitation.plan.require.patient_column else []),
        "Stays        images, masks, tables, names, and the scores of single cases",
        f"Plan digest  {invitation.plan.digest}",
    )


def _scores(leaves: Leaves, study: Study, policy: Policy) -> str:
    """The scores that the plan asks for and the policy lets out."""
    offered = ["loss", *(metric.name for metric in study.validation.metrics)]
    named = list(offered if leaves.metrics is None else leaves.metrics)
    out = [name for name in named if leaves.lets_out(name) and policy.lets_out(name)]
    told = ", ".join("the loss" if name == "loss" else name for name in out)
    return f"{told} over at least {policy.minimum_validation_cases} cases" if out else "no scores"


def _test_cases(leaves: Leaves) -> str:
    if not leaves.test:
        return "are not scored in this federation"
    return "are scored once, for the model of the last round; these scores leave as well"
