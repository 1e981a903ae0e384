"""Loss, optimiser, schedule and length of training of a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wardround.engine.interop.gandlf.notes import Notes
from wardround.engine.interop.gandlf.settings import Settings, as_number
from wardround.engine.interop.gandlf.uses import Use, parts_called, tell_unknown, use_of
from wardround.engine.parts import Kind, Part, builtin_and_plugins
from wardround.engine.parts.optimization import optimizer_of

_RATE, _EPOCHS, _BATCH = 0.001, 100, 1
_NAMES = {
    "eps": "epsilon",
    "lambd": "shrink",
    "etas": "factors",
    "step_sizes": "steps",
}
"""What parameters of optimisers are called here, where that differs."""
_ALPHA = {"asgd": "power", "rmsprop": "smoothing"}
_FILLED: Mapping[str, Mapping[str, Any]] = {
    "sgd": {"momentum": 0.99, "weight_decay": 3e-5, "nesterov": True},
    **{name: {"weight_decay": 5e-5} for name in ("adam", "adamw", "adamax")},
    **{
        name: {"weight_decay": 3e-5}
        for name in ("asgd", "adadelta", "adagrad", "rmsprop", "radam", "nadam", "novograd")
    },
}
"""What GaNDLF fills in that differs from the defaults here."""
_NEVER = (
    "schedules never step: it trains with one rate from the first step to the last. Here the schedule is followed; "
    "write `schedule: constant` for what GaNDLF did"
)
_PRIVATE = (
    "the settings are replaced by defaults, a noise of 10 among them, batches are not drawn as its accountant assumes, "
    "and each patch counts as a person"
)


def read_loss(config: Settings, task: str, notes: Notes) -> Use | None:
    """The loss with the parameters that the configuration tells."""
    found = config.take("loss_function")
    name, own = _named(found)
    part = _serving(Kind.LOSS, name, task, "loss_function", notes)
    if part is None:
        return None
    if config.flag("weighted_loss"):
        text = "weights by how often a class occurs are not counted: give `class_weights` of cross_entropy or focal"
        notes.here("weighted_loss", text)
    parameters = _of_loss(part, name, own, notes)
    if part.name in ("dice", "dice_ce", "dice_log", "dice_focal", "tversky", "mcc", "mcc_log"):
        notes.here("loss_function", "the background is no class of its own in it: see `include_background`")
    return use_of(part, parameters, "loss_function", notes)


def _named(found: Any) -> tuple[str, Mapping[str, Any]]:
    """A name with parameters, however it is written."""
    if isinstance(found, Mapping) and found:
        name, own = next(iter(found.items()))
        return str(name), own if isinstance(own, Mapping) else {}
    return (found if isinstance(found, str) else ""), {}


def _of_loss(part: Part, name: str, own: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """Those parameters that the loss here has; what GaNDLF does with them is told."""
    kept = {key: value for key, value in own.items() if key in part.parameters.model_fields}
    for key in own:
        place = f"loss_function.{name}.{key}"
        if key in kept:
            text = "parameters of every loss but mse are dropped before it is made, without a word; here they hold"
            notes.there(place, text)
        else:
            notes.here(place, f"`{part.name}` has no such parameter, and takes the mean of all samples")
    return {key: found if (found := as_number(value)) is not None else value for key, value in kept.items()}


def _serving(kind: Kind, name: str, task: str, place: str, notes: Notes) -> Part | None:
    """The part of a name that serves the task; None, and a finding, where there is none."""
    parts = parts_called(kind, name) if name else ()
    serving = next((part for part in parts if part.serves(task)), None)
    if not parts:
        tell_unknown(kind, name or None, place, notes)
    elif serving is None:
        told = ", ".join(sorted(parts[0].tasks))
        notes.wrong(place, f"this {kind.value} is not for {task}", name, f"one that is; this is for {told}")
    return serving


def read_optimizer(config: Settings, notes: Notes) -> Use | None:
    """The optimiser, with what GaNDLF would fill in."""
    found = config.take("optimizer")
    own = Settings(found if isinstance(found, Mapping) else {"type": found or "adam"}, "optimizer", notes)
    name = own.word("type").lower() or "adam"
    parts, rate = parts_called(Kind.OPTIMIZER, name), config.number("learning_rate", _RATE)
    if not parts:
        tell_unknown(Kind.OPTIMIZER, name, "optimizer", notes)
        return None
    if rate is not None and rate <= 0:
        text = "a learning rate is more than 0 (GaNDLF takes any number, and trains away from the truth)"
        notes.wrong("learning_rate", text, rate, "for example 0.001")
        return None
    parameters = {"learning_rate": rate, **_FILLED.get(name, {}), **_told(own, parts[0], notes)}
    return use_of(parts[0], parameters, "optimizer", notes)


def _told(own: Settings, part: Part, notes: Notes) -> dict[str, Any]:
    fields, found = part.parameters.model_fields, dict[str, Any]()
    for key in own.keys:
        if key in ("type", "foreach", "t0"):
            own.take(key)
            continue
        name = _ALPHA.get(part.name, key) if key == "alpha" else _NAMES.get(key, key)
        value = own.take(key)
        if name not in fields:
            notes.here(own.place(key), f"`{part.name}` has no such parameter")
        else:
            found[name] = [*map(as_number, value)] if isinstance(value, list) else _plain(value)
    return found


def _plain(value: Any) -> Any:
    number = as_number(value)
    return value if number is None else number


def read_schedule(config: Settings, notes: Notes) -> Use | None:
    """The schedule; lengths that GaNDLF counts in epochs are fractions of a run here."""
    found = config.take("scheduler")
    own = Settings(found if isinstance(found, Mapping) else {"type": found}, "scheduler", notes)
    name = own.word("type") or "triangle_modified"
    parts = parts_called(Kind.SCHEDULE, name)
    if not parts:
        tell_unknown(Kind.SCHEDULE, name, "scheduler", notes)
        return None
    notes.there("scheduler", _NEVER)
    epochs, rate = config.whole("num_epochs", _EPOCHS) or _EPOCHS, config.number("learning_rate", _RATE) or _RATE
    fields = parts[0].parameters.model_fields
    told = {key: value for key, value in _of_schedule(own, name.lower(), epochs, rate) if key in fields}
    own.tell_unread(("step_size", "gamma", "min_lr", "max_lr", "max_lr_multiplier", "scale_mode", "cycle_momentum"))
    return use_of(parts[0], told, "scheduler", notes)


def _of_schedule(own: Settings, name: str, epochs: int, rate: float) -> Iterator[tuple[str, Any]]:
    """Parameters by their names here; each kind of schedule takes those that it has."""
    step, least, most = own.number("step_size"), own.number("min_lr"), own.number("max_lr")
    own.take("max_lr_multiplier", "scale_mode", "cycle_momentum", "base_momentum", "max_momentum", "mode", "gamma")
    if step is None and name in ("triangle", "triangle_modified", "triangular", "exp_range", "step"):
        text = "without `step_size` it is a fifth of the learning rate, in steps; here it is a part of the run"
        own.notes.there("scheduler", text)
    if step is not None and 1 <= step <= epochs:
        yield "every", min(1.0, step / epochs)
        yield "period", min(1.0, 2 * step / epochs)
    if least is not None and 0 <= least < (most or rate):
        yield "minimum", least / (most or rate)
    yield from _of_decay(own, name, epochs)
    yield from _of_restarts(own, name, epochs)


def _of_decay(own: Settings, name: str, epochs: int) -> Iterator[tuple[str, Any]]:
    gamma = own.number("gamma")
    if gamma is not None and 0 < gamma <= 1:
        if name == "step":
            yield "factor", gamma
        elif gamma**epochs >= 1e-6:
            yield "final", gamma**epochs
        else:
            own.notes.here("scheduler.gamma", "it leaves nothing of the rate; the default of the schedule is kept")
    for key in ("factor", "threshold"):
        if own.number(key) is not None:
            yield key, own.number(key)
    for key in ("patience", "cooldown"):
        if own.whole(key) is not None:
            yield key, own.whole(key)


def _of_restarts(own: Settings, name: str, epochs: int) -> Iterator[tuple[str, Any]]:
    first, growth, warmup = own.whole("T_0"), own.whole("T_mult"), own.number("warmup_steps")
    own.take("T_max", "eta_min", "threshold_mode")
    if first is not None and 1 <= first <= epochs:
        yield "first", first / epochs
    if growth is not None:
        yield "growth", growth
    if name in ("warmupcosineschedule", "wcs"):
        if warmup is not None:
            own.notes.there("scheduler.warmup_steps", "it is replaced by a tenth of the epochs; here it holds")
        yield "warmup", min(0.9, (0.1 * epochs if warmup is None else warmup) / epochs)


def training_lines(config: Settings, task: str, notes: Notes) -> list[str]:
    """`training` of the study."""
    model = config.section("model")
    loss, optimizer, schedule = (
        read_loss(config, task, notes),
        read_optimizer(config, notes),
        read_schedule(config, notes),
    )
    learnt = {"loss": loss, "optimizer": optimizer, "schedule": _followed(schedule, optimizer, notes)}
    words = [f"{key}: {use.value}" for key, use in learnt.items() if use]
    words += [f"epochs: {_count(config, 'num_epochs', _EPOCHS)}", f"batch_size: {_count(config, 'batch_size', _BATCH)}"]
    words.append(f"precision: {'auto' if model.flag('amp') else 'fp32'}")
    if "patience" in config:
        words.append(f"patience: {_count(config, 'patience', _EPOCHS)}")
    words += _clipping(config, notes)
    if config.take("differential_privacy") is not None:
        notes.there("differential_privacy", _PRIVATE)
        notes.here("differential_privacy", "a study has none: in a federation the policy of each hospital states it")
    return ["training:", *(f"  {word}" for word in words)]


def _followed(schedule: Use | None, optimizer: Use | None, notes: Notes) -> Use | None:
    """The schedule; none for an optimiser that finds its own steps."""
    if optimizer is None or optimizer_of(optimizer.part.parameters()).follows_schedule:
        return schedule
    notes.here("scheduler", f"`{optimizer.part.name}` finds its own steps, whatever a schedule says: there is none")
    return Use(builtin_and_plugins().find(Kind.SCHEDULE, "constant"), {})


def _clipping(config: Settings, notes: Notes) -> list[str]:
    clip, mode = config.number("clip_grad"), config.word("clip_mode").lower() or "norm"
    if clip is None:
        return []
    if clip <= 0 or mode not in ("norm", "value", "agc"):
        notes.wrong(
            "clip_grad", "gradients cannot be clipped so", f"{clip:g} by {mode}", "more than 0, by norm or value"
        )
    found = [f"gradient_clip: {clip:g}"]
    return found if mode == "norm" else [*found, f"gradient_clip_mode: {'adaptive' if mode == 'agc' else mode}"]


def _count(config: Settings, key: str, otherwise: int) -> int:
    found = config.whole(key, otherwise)
    if found is None or found < 1:
        config.notes.wrong(key, "this is no number of them", found, "a whole number, 1 or more")
        return otherwise
    return found
