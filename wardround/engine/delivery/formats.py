"""The formats that a network is exported to: how each is written, and how it runs again.

What is exported maps images, float32 (samples, channels, *patch), to the network's outputs, as in training: logits of
classes, or numbers in units of the training cases' spread. Samples may be any number; the patch is the study's.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from wardround.engine.basics.problems import InputError

Runner = Callable[[np.ndarray], np.ndarray]
"""Images to outputs, both float32 with the samples first."""
IMAGE, OUTPUT = "image", "output"
"""What the input and the output of an ONNX network are called."""
_OPSET = 18


@dataclass(frozen=True)
class Format:
    """A way to write a network.

    Attributes:
        name: by which people ask for it.
        files: that are written, and that a program must be given; by the first of them it finds the others.
        needs: packages beyond Wardround's own, as they are imported.
        write: writes a network, as traced by `torch.export`, to a path.
        run: makes a runner of the file at a path.
    """

    name: str
    files: tuple[str, ...]
    needs: tuple[str, ...]
    write: Callable[[torch.export.ExportedProgram, Path], None]
    run: Callable[[Path], Runner]

    @property
    def file(self) -> str:
        """The first of its files."""
        return self.files[0]

    def require_installed(self) -> None:
        """Raise `InputError` that says how to install what is missing."""
        missing = [name for name in self.needs if not _is_installed(name)]
        if missing:
            raise InputError.one(
                f"exporting to {self.name} needs packages that are not installed",
                where="--to",
                got=f"no {' and no '.join(missing)}",
                remedy=f'Install them with `pip install -c constraints.txt "wardround[{self.name}]"`',
            )


def traced(network: nn.Module, images: torch.Tensor) -> torch.export.ExportedProgram:
    """A network in evaluation mode as a graph, for any number of samples of the shape of `images`.

    Two samples at least are traced with: of one alone, torch would take the number for fixed.
    """
    samples = torch.export.Dim("samples", min=1)
    with _quiet(), torch.no_grad():
        program = torch.export.export(network, (images,), dynamic_shapes=({0: samples},))
    program.example_inputs = None  # they would lie in the file, pickled
    _forget_places(program)
    return program


def _forget_places(program: torch.export.ExportedProgram) -> None:
    """Without the lines of code that each operation comes from: files would name folders of this machine."""
    graphs = (module.graph for module in program.graph_module.modules() if isinstance(module, torch.fx.GraphModule))
    for node in (node for graph in graphs for node in graph.nodes):
        node.meta.pop("stack_trace", None)


def _write_torch(program: torch.export.ExportedProgram, path: Path) -> None:
    torch.export.save(program, path)


def _run_torch(path: Path) -> Runner:
    with _quiet():
        module = torch.export.load(path).module()

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(images)).numpy())

    return run


def _write_onnx(program: torch.export.ExportedProgram, path: Path) -> None:
    with _quiet():
        onnx: Any = torch.onnx.export(
            program, input_names=[IMAGE], output_names=[OUTPUT], opset_version=_OPSET, dynamo=True, verbose=False
        )
        onnx.save(path, external_data=False)


def _run_onnx(path: Path) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # those of the network that it is compared with
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: np.ndarray) -> np.ndarray:
        return np.asarray(session.run([OUTPUT], {IMAGE: images})[0])

    return run


def _write_openvino(program: torch.export.ExportedProgram, path: Path) -> None:
    """By way of ONNX. Weights would be halved to float16 without `compress_to_fp16=False`."""
    openvino, between = _openvino(), path.with_suffix(".onnx")
    _write_onnx(program, between)
    openvino.save_model(openvino.Core().read_model(between), path, compress_to_fp16=False)
    between.unlink()


def _run_openvino(path: Path) -> Runner:
    """In float32: by default OpenVINO computes in bfloat16 where the processor can."""
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = _openvino().Core().compile_model(path, "CPU", settings)

    def run(images: np.ndarray) -> np.ndarray:
        return np.array(compiled(images)[0])

    return run


FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format("torch", ("network.pt2",), (), _write_torch, _run_torch),
        Format("onnx", ("network.onnx",), ("onnx", "onnxscript", "onnxruntime"), _write_onnx, _run_onnx),
        Format(
            "openvino",
            ("network.xml", "network.bin"),
            ("onnx", "onnxscript", "openvino"),
            _write_openvino,
            _run_openvino,
        ),
    )
}
"""By name, in the order of their use."""


def _is_installed(name: str) -> bool:
    try:
        _openvino() if name == "openvino" else import_module(name)
    except ImportError:
        return False
    return True


def _openvino() -> Any:
    """OpenVINO without its telemetry, which would send that it was imported, under an identity that it keeps in the
    home folder. Where that package cannot be imported, OpenVINO goes without."""
    telemetry = "openvino_telemetry"
    before = sys.modules.get(telemetry)
    sys.modules[telemetry] = None  # type: ignore[assignment]  # what import takes for a module that is not there
    try:
        return import_module("openvino")
    finally:
        del sys.modules[telemetry]
        if before is not None:
            sys.modules[telemetry] = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the remarks of exporters on their own insides, which say nothing of the model."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
