"""A network of ordinary torch layers and neurons, run under a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ir.check import check_type, require, within
from ir.encoder import body_of
from ir.network import Input, Network, Population, check_encoder
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.state import State
from trainer.engines import run as run_engine
from trainer.engines.call import Call
from trainer.engines.live import LiveState
from trainer.engines.monitor import Monitor
from trainer.engines.numbers import FloatNumbers
from trainer.engines.options import EVALUATION, TrainingOptions
from trainer.engines.parts import NeuronParams
from trainer.engines.plan import Params, Plan, plan_of
from trainer.engines.result import Result
from trainer.frozen import check_blocks, projection_of
from trainer.grid import FixedGrid
from trainer.host import in_two, resumed, sent
from trainer.linear_map import LinearMap, as_evaluated, fold, unpacked
from trainer.neuron import MaxPooling, NeuronModule
from trainer.pooling import fold_pooling, keeps_spikes, pools
from trainer.uncompiled import uncompiled


class SpikingNetwork(nn.Module):
    """Populations of neurons with torch layers between them.

    Args:
        inputs: name -> shape, e.g. ``{"events": (2, 17, 17)}``.
        populations: name -> LIF (or another ``trainer.neuron.NeuronModule``), in the order of the global neuron index.
        projections: (pre, post, layers) with ordinary layers: Linear, Conv2d, AvgPool2d, SumPool2d, BatchNorm,
            Flatten, ... (``trainer.linear_map.LAYERS``); MaxPool2d leads into a ``trainer.neuron.MaxPooling``. Several
            into one population add; one that looks back is recurrent.
        output: the population that decides; default the last.
        dt_s: seconds a time step.
        schedule: the default of every call.
        encoder: first layers that run on the host, in floats, once a time step: a network whose output has as many
            neurons as there are ``inputs``. It takes the frames, and its spikes are what this network is fed with.

    Attributes:
        quantization: where set, the engine runs a chip's integers.
        core_of_neuron: (N,) the partition that ``scope = "core"`` needs.

    >>> from trainer.neuron import LIF
    >>> net = SpikingNetwork.sequential((4,), nn.Linear(4, 3, bias=False), LIF(1e-3, 0.3))
    >>> net(torch.ones(5, 2, 4), Schedule(F=2)).counts.shape
    torch.Size([5, 2, 3])
    """

    def __init__(
        self,
        inputs: dict[str, tuple[int, ...]],
        populations: Mapping[str, NeuronModule],
        projections: Sequence[tuple[str, str, nn.Module]],
        output: str | None = None,
        dt_s: float = 1e-3,
        schedule: Schedule | None = None,
        encoder: SpikingNetwork | None = None,
    ) -> None:
        super().__init__()
        check_blocks(inputs, populations, projections)
        check_type("the schedule", schedule, (Schedule, type(None)), "a Schedule, or None for the default")
        check_type("the encoder", encoder, (SpikingNetwork, type(None)), "a SpikingNetwork, or None")
        self.encoder = encoder
        self.inputs, self.dt_s, self.schedule = dict(inputs), dt_s, schedule or Schedule()
        self.neurons = nn.ModuleDict(populations)
        self.ends = [(pre, post) for pre, post, _ in projections]
        self.layers = nn.ModuleList([layers for _, _, layers in projections])
        self.output = output or list(populations)[-1]
        self.quantization: FixedGrid | None = None
        self.core_of_neuron: np.ndarray | None = None
        with as_evaluated(self):
            self.shapes = self._infer_shapes()
        for name in self.neurons:
            with within(f"population {name!r}"):
                self._neuron(name).spread(int(np.prod(self.shapes[name])))
        self._plan: Plan | None = None
        if encoder is not None:
            check_encoder(encoder.export(), self.export())

    @classmethod
    def sequential(
        cls,
        input_shape: tuple[int, ...],
        *modules: nn.Module,
        dt_s: float = 1e-3,
        schedule: Schedule | None = None,
        encoder: int = 0,
    ) -> SpikingNetwork:
        """Read ``nn.Sequential``-like modules: layers gather until the next neurons make them a population.

        A MaxPool1d or MaxPool2d behind neurons (or first, on spikes) is a population of its own.

        Args:
            encoder: so many populations, the first ones, run on the host (``SpikingNetwork.encoder``).
        """
        populations: dict[str, NeuronModule] = {}
        projections, waiting, pre = [], [], "input"
        for module in unpacked(*modules):
            if pools(module) and all(map(keeps_spikes, waiting)):
                name = f"pool{len(populations)}"
                populations[name] = MaxPooling()
                projections.append((pre, name, nn.Sequential(*waiting, module)))
                pre, waiting = name, []
            elif isinstance(module, NeuronModule):
                name = f"layer{len(populations)}"
                require(len(waiting) > 0, f"{name} has no layer before it; put a Linear or Conv2d between two LIF")
                populations[name] = module
                projections.append((pre, name, nn.Sequential(*waiting)))
                pre, waiting = name, []
            else:
                waiting.append(module)
        require(
            not waiting and len(populations) > 0,
            "a sequential network must end with a LIF (v_threshold=None for a membrane readout)",
        )
        if encoder:
            return cls(*in_two(cls, input_shape, populations, projections, dt_s, schedule, encoder))
        return cls({"input": input_shape}, populations, projections, dt_s=dt_s, schedule=schedule)

    def _infer_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = dict(self.inputs)
        for _ in self.neurons:
            for (pre, post), layers in zip(self.ends, self.layers):
                require(post in self.neurons, f"projection {pre} -> {post} ends at no population")
                require(pre in self.neurons or pre in self.inputs, f"projection {pre} -> {post} starts nowhere")
                if pre in shapes and post not in shapes:
                    shapes[post] = self._fold(layers, shapes[pre], post).out_shape
        missing = [name for name in self.neurons if name not in shapes]
        require(not missing, f"populations {', '.join(missing)} are not reached from the input")
        return shapes

    def _fold(self, layers: nn.Module, shape: tuple[int, ...], post: str) -> LinearMap:
        """The layers that lead from spikes of a shape into a population."""
        neuron = self._neuron(post)
        return (fold_pooling if isinstance(neuron, MaxPooling) else fold)(layers, shape, neuron.like())

    def maps(self) -> list[LinearMap]:
        """The folded linear map of each projection, gradients attached."""
        maps = [self._fold(layers, self.shapes[pre], post) for (pre, post), layers in zip(self.ends, self.layers)]
        for (pre, post), m in zip(self.ends, maps):
            kind = None if m.weight is None else m.weight.dtype
            full = kind in (torch.float32, torch.float64)
            require(full, f"weights of {pre} -> {post} are {kind}; use one of float32, float64: network.float()")
            n, want = int(np.prod(m.out_shape)), int(np.prod(self.shapes[post]))
            require(n == want, f"projection {pre} -> {post} gives {n} values, population {post!r} has {want} neurons")
        return maps

    def _biases(self, maps: list[LinearMap]) -> dict[str, Tensor | None]:
        biases: dict[str, Tensor | None] = {name: None for name in self.neurons}
        for (_, post), m in zip(self.ends, maps):
            if m.bias is not None:
                before = biases[post]
                biases[post] = m.bias if before is None else before + m.bias
        return biases

    def export(self) -> Network:
        """The frozen network that the mapper takes; BatchNorm and pooling are folded in."""
        with as_evaluated(self):
            maps = self.maps()
        biases = self._biases(maps)
        populations = tuple(
            Population(name, self.shapes[name], self._neuron(name).value(biases[name])) for name in self.neurons
        )
        projections = tuple(projection_of(pre, post, m) for (pre, post), m in zip(self.ends, maps))
        inputs = tuple(Input(name, shape) for name, shape in self.inputs.items())
        encoder = None if self.encoder is None else self.encoder.export()
        parts = (inputs, populations, projections, self.output, self.dt_s, self.schedule)
        return Network(*parts, encoder=encoder)

    def _neuron(self, name: str) -> NeuronModule:
        neuron = self.neurons[name]
        assert isinstance(neuron, NeuronModule)
        return neuron

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        return next(chain(self.parameters(), self.buffers())).device

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Of a frame of the first input: the encoder's where there is one."""
        first = self if self.encoder is None else self.encoder
        return next(iter(first.inputs.values()))

    def plan(self) -> Plan:
        """The engines' static view; made once."""
        if self._plan is None:
            self._plan = plan_of(self.export())
        return self._plan

    def params(self) -> Params:
        """The live numbers, gradients attached."""
        maps = self.maps()
        biases = self._biases(maps)
        weights = [m.weight for m in maps if m.weight is not None]
        found: dict[str, NeuronParams] = {}
        for model in dict.fromkeys(self._neuron(name).MODEL for name in self.neurons):
            names = [name for name in self.neurons if self._neuron(name).MODEL == model]
            modules, sizes = [self._neuron(n) for n in names], [int(np.prod(self.shapes[n])) for n in names]
            found[model] = modules[0].numbers(modules, sizes, [biases[n] for n in names], self.dt_s, weights[0])
        return Params(weights, found)

    @uncompiled
    def forward(
        self,
        frames: Tensor,
        schedule: Schedule | None = None,
        sample_ids: Tensor | None = None,
        options: TrainingOptions = EVALUATION,
        events: np.ndarray | None = None,
        engine: str = "auto",
        state: LiveState | State | None = None,
        monitor: Sequence[str] = (),
    ) -> Result:
        """Run a batch.

        Args:
            frames: (T, B, ...) counts; everything behind B is flattened, row-major.
            schedule: default the network's own.
            sample_ids: (B,) dataset indices, the addresses of all randomness; default the state's, or 0, 1, ...
            options: dropouts and gradient choices; without effect in ``eval()``.
            events: time-stamped events of ``ir.Stimulus``, for paced and queued input.
            state: ``result.state`` of the call that ran the time steps before, or a saved one; None = samples begin.
            monitor: what ``result.monitors`` shall hold: ``queue`` and ``served`` of every forward step, ``currents``
                until a neuron's first spike (``trainer.engines.monitor``).

        Returns:
            Spike counts (T, B, N) and membranes with gradients, forward steps (T, B), and the state to go on from.
        """
        check_type("the schedule", schedule, (Schedule, type(None)), "a Schedule, or None for the network's own")
        check_type("frames", frames, Tensor, "a tensor (T, B, ...), e.g. torch.as_tensor(stimulus.frames.copy())")
        require(frames.ndim >= 3, f"frames have shape {tuple(frames.shape)}; give (T, B, ...), time steps first")
        ids = self._ids(frames, sample_ids, state)
        options = options if self.training else options.evaluated
        # Membranes add up in full precision, also where other layers run in half of it.
        with torch.autocast(frames.device.type, enabled=False):
            plan, params, numbers = self.plan(), self.params(), FloatNumbers()
            if self.quantization is not None:
                plan, params = self.quantization.laid(self.export(), plan, params)
                numbers = self.quantization.numbers
            if isinstance(state, State):
                state = resumed(self._frozen(), state, ids, params.like)
            host = None if self.encoder is None else sent(self.encoder, frames, ids, options, state)
            if host is not None:
                frames, events = host.spikes, None
            schedule = self.schedule if schedule is None else schedule
            call = Call(
                plan,
                params,
                frames.flatten(2),
                ids,
                schedule,
                options,
                numbers,
                self.core_of_neuron,
                events,
                state=state,
                monitor=Monitor(tuple(monitor)) if monitor else None,
                from_host=self.encoder is not None,
            )
            result = run_engine(call, engine)
        return result if host is None else host.beside(result)

    def freeze(self, state: LiveState) -> State:
        """A state as a value that ``ul.save`` writes and that every executor goes on from: with the weights of now."""
        return state.saved(body_of(self._frozen()))

    def _frozen(self) -> Network | QuantizedNetwork:
        """What the engine runs."""
        trained = self.export()
        return trained if self.quantization is None else self.quantization.quantized(trained)

    @staticmethod
    def _ids(frames: Tensor, given: Any, state: LiveState | State | None) -> Tensor:
        """(B,) those that were given, else those of the state, else 0, 1, ..."""
        check_type("the state", state, (LiveState, State, type(None)), "the state of the call before, result.state")
        if given is None and state is not None:
            given = state.sample_ids if isinstance(state, LiveState) else np.array(state.sample_ids)
        return torch.arange(frames.shape[1], device=frames.device) if given is None else torch.as_tensor(given)
