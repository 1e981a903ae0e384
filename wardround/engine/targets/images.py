"""Images that are to be made of images: a number for each voxel, in files beside the case's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wardround.engine.basics.flaws import Flaw, flow
from wardround.engine.study.models import Study
from wardround.engine.study.truths import ValuesByClass
from wardround.engine.targets.target import Activation, Column, Columns, Form, Holding, Target, Written
from wardround.engine.targets.unclassed import ill_named_targets, stray_classes

if TYPE_CHECKING:
    import numpy as np

_SIDE = 16
"""Of a made-up image: a window of structural similarity, 11 voxels wide, lies within it."""
_CALLED = frozenset({"target", "output", "truth", "goal", "reference", "groundtruth", "gt"})


class Images(Target):
    """Images by voxel. A network learns them in units of their own spread over the training cases; they are written and
    scored with the intensities of their files.

    A target that has the name of an input is that input: a study whose targets all are learns to make its inputs again,
    and needs no columns.
    """

    name = "image"
    noun = "image to be made"
    remedy = "Give it a Target_0"
    title = "targets"
    has_classes = False
    needs_targets = True
    on_grid = True
    written = Written.IMAGE
    activation = Activation.IDENTITY
    unread = ("voxels", "intensities", "the images to be made")
    why_undefined = "Undefined: an image has no contrast, or is thinner than a window of the score."
    selectable = "with images to be made"

    def classes(self, study: Study) -> ValuesByClass:
        """None."""
        return {}

    def outputs(self, study: Study) -> tuple[str, ...]:
        """The study's targets."""
        return study.targets

    def flaws(self, study: Study) -> Iterator[Flaw]:
        """No classes, at least one target, and inputs that are made again or none."""
        yield from stray_classes(study, "a synthesis", "`targets: [T2]` names the images to be made")
        yield from ill_named_targets(study)
        if not study.inputs:
            yield Flaw(("inputs",), "a synthesis makes images of images", "none", "one input at least")
        if not study.targets:
            remedy = "Write for example `targets: [T2]`, and a column Target_0 with their files"
            yield Flaw(
                (),
                "the study does not name the images to be made",
                "no `targets`",
                "one target at least",
                remedy=remedy,
            )
        again = [name for name in study.targets if name in study.inputs]
        if again and len(again) < len(study.targets):
            what = "some targets are inputs, which are to be made again, and some are other images"
            expected, remedy = "either of the two", "Give targets with files of their own other names than inputs have"
            yield Flaw(("targets",), what, flow(list(study.targets)), expected, remedy=remedy)

    def made_of_inputs(self, study: Study) -> tuple[int, ...]:
        """The places of targets that are inputs."""
        return tuple(study.inputs.index(name) for name in study.targets if name in study.inputs)

    def columns(self, study: Study) -> Columns:
        """`Target_0` and so on, one for each target; none that are needed where inputs are made again."""
        if self.made_of_inputs(study):
            return ()
        names = enumerate(study.targets)
        return tuple(
            Column(f"Target_{n}", f"the paths of the images {name}", _CALLED, is_file=True, is_image=True)
            for n, name in names
        )

    def perfect_scores(
        self, study: Study, metric: Any, truths: Sequence[Collection[float]]
    ) -> Iterator[Mapping[str, float]]:
        """Those of made-up images against themselves: what cases hold, only their files tell."""
        made = self.example(study, 1, (_SIDE,) * study.dimensions)[self.name][0]
        yield metric.scores(made, made, (1.0,) * study.dimensions, self.outputs(study))

    def cause(self, study: Study, truths: Sequence[Collection[float]]) -> str:
        """Constant images have no range."""
        return "where images have no contrast"

    def bytes_per_voxel(self, study: Study) -> int:
        """float32, for each target."""
        return 4 * len(study.targets)

    def numbers_to_scale(self, study: Study) -> int:
        """One for each target, whose voxels are scaled alike."""
        return len(study.targets)

    def forms(self, study: Study) -> Mapping[str, Form]:
        """`image`: the intensities of the files."""
        return {self.name: Form("float32", (len(study.targets),), on_grid=True)}

    def is_known(self, case: Holding) -> bool:
        """Whether it has such images."""
        return case.has_wanted

    def held(self, case: Holding) -> Mapping[str, Any]:
        """The images, of which nothing is read yet."""
        return {self.name: case.wanted}

    def example(self, study: Study, samples: int, shape: Sequence[int]) -> Mapping[str, np.ndarray]:
        """Normally distributed."""
        import numpy as np

        made = np.random.default_rng(study.seed).normal(size=(samples, len(study.targets), *shape))
        return {self.name: made.astype(np.float32)}

    def described(self, study: Study, values: Counter[str | None]) -> str:
        """The targets, and whether they are the inputs."""
        of = ", which are the inputs themselves" if self.made_of_inputs(study) else f", of {', '.join(study.inputs)}"
        return f"images {', '.join(study.targets)}{of}"


IMAGES = Images()
